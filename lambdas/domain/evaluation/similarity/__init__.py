"""How similar an answer is to its reference: BERTScore, ROUGE-L, chrF and length.

`bert`, `bertscore`, `weights` and `overlap` need the layer "similarity"; nothing else imports them
but *Score similarity*.
"""
