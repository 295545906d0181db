"""How similar an answer is to its reference: BERTScore, ROUGE-L, chrF and length.

All but `file_names` and `means` need the layer "similarity", which only *Score similarity* has.
"""
