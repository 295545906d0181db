"""Detects the language of a text: by script, and in Latin script by stop words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

_LOOKED_AT = 600  # characters
_LEAST_LETTERS = 20
_LEAST_WORDS, _LEAST_SHARE = 2, 0.08  # stop words needed to recognise a language
_LEAST_SCORE, _LEAD = 1, 1.3  # of these words, and relative to the next language

_SCRIPTS = {
    "Kana": re.compile(r"[\u3041-\u30ff\uff66-\uff9f]"),
    "Han": re.compile(r"[\u3400-\u9fff\uf900-\ufaff]"),
    "Korean": re.compile(r"[\u1100-\u11ff\uac00-\ud7a3]"),
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
    "Cyrillic": re.compile(r"[\u0400-\u052f]"),
    "Greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Bengali": re.compile(r"[\u0980-\u09ff]"),
    "Tamil": re.compile(r"[\u0b80-\u0bff]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
    "Khmer": re.compile(r"[\u1780-\u17ff]"),
    "Georgian": re.compile(r"[\u10a0-\u10ff]"),
    "Armenian": re.compile(r"[\u0530-\u058f]"),
}
_DENSE = {"Kana", "Han", "Korean"}  # one character is worth two or three Latin letters
_DENSE_WEIGHT = 2.5
_WORD = re.compile(r"[a-z\u00df-\u024f\u1e00-\u1eff']+")

STOP_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "English": "the of and to in is that it for on with as are this be by or from at an not "
        "have can you which what how does do your when why who was were will should would",
        "German": "der die das und ist nicht ein eine mit für auf den dem von zu im sich auch wird "
        "werden sind als bei oder nach wie was kann einer des es",
        "French": "le la les des et est une un dans pour que qui pas sur avec vous par ce cette "
        "sont au aux du ou il elle nous votre quel comment",
        "Spanish": "el la los las de que en un una es por con para no se su del al como más pero "
        "son este esta cómo qué cuál lo",
        "Portuguese": "os as de que em um uma por com para não se seu do da dos das no na "
        "como mais mas são este esta você qual ao",
        "Italian": "il lo la gli le di che in un una per con non si del della dei come più ma "
        "sono questo questa al alla nel quale",
        "Dutch": "de het een en van is dat op te in niet met voor zijn aan er ook als bij of naar "
        "wat hoe kan deze dit wordt worden",
        "Swedish": "och att det som en på är av för med den till inte om ett har kan från hur vad "
        "eller när",
        "Danish or Norwegian": "og at det som en på er af for med den til ikke om et har kan fra "
        "hvordan hvad eller når",
        "Finnish": "ja on ei se että joka mutta myös kun tai ovat voi mitä miten olla",
        "Polish": "nie na się do to że jest jak co dla czy przez od są lub jego",
        "Czech": "se na je že do to pro jako jak nebo jsou které který by není",
        "Turkish": "ve bir bu için ile da de ne gibi daha olarak olan var veya değil",
        "Indonesian": "yang dan di untuk dengan ini itu dari pada adalah tidak dalam akan apa "
        "bagaimana atau oleh",
        "Vietnamese": "và của là có cho không được các trong một này với những để như người",
    }.items()
}


def _languages_by_word() -> Mapping[str, tuple[str, ...]]:
    languages: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for language, words in STOP_WORDS.items():
        for word in words:
            languages[word] += (language,)
    return dict(languages)


_LANGUAGES_BY_WORD = _languages_by_word()


def language_of(text: str) -> str | None:
    """Return the text's language, else its script; None if there is too little text."""
    counts = script_counts(text[:_LOOKED_AT])
    total = sum(counts.values())
    if total < _LEAST_LETTERS:
        return None
    japanese = counts["Kana"] + counts["Han"] if counts["Kana"] else 0
    script = max(counts, key=lambda name: counts[name])
    if japanese >= total / 2 and counts["Kana"] * 10 >= japanese:
        return "Japanese"
    if script == "Han":
        return "Chinese"
    return _latin_language(text[:_LOOKED_AT]) if script == "Latin" else script


def script_counts(text: str) -> dict[str, float]:
    """Count the letters of each script; those for a syllable or word weigh more."""
    if text.isascii():
        return dict.fromkeys(_SCRIPTS, 0.0) | {"Latin": len(_SCRIPTS["Latin"].findall(text))}
    return {
        name: len(pattern.findall(text)) * (_DENSE_WEIGHT if name in _DENSE else 1)
        for name, pattern in _SCRIPTS.items()
    }


def _latin_language(text: str) -> str | None:
    """Return the language with clearly the most stop words; shared ones count in parts."""
    words = _WORD.findall(text.casefold())
    scores: defaultdict[str, float] = defaultdict(float)
    hits = 0
    for word in words:
        languages = _LANGUAGES_BY_WORD.get(word, ())
        hits += bool(languages)
        for language in languages:
            scores[language] += 1 / len(languages)
    if hits < max(_LEAST_WORDS, _LEAST_SHARE * len(words)):
        return None
    (most, first), (next_most, _) = sorted(
        [*((score, name) for name, score in scores.items()), (0.0, "")], reverse=True
    )[:2]
    return first if most >= max(_LEAST_SCORE, _LEAD * next_most) else None
