"""Document question answering: answers from sentences, and question-answer pairs for a tool.

For a tool that it must call, the sentences that say most are chosen, and a question is made of each
by its grammar: what follows a condition, what something is, what is said of it. Answer and quote
are the document's own words, so the pairs are grounded, if plain. It does not translate.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.bedrock.inference.documents import Document
from local.bedrock.tokenization import content_stems, count_tokens

_LETTERS = range(25, 401)  # of a sentence that stands on its own
_DENSE_LETTERS = range(12, 201)  # where a character says as much as half a word
_USUAL_PAIRS = 5  # where nothing says how many
_ANSWER_SENTENCES = 3
_KEY_LETTERS = 4  # of a word that may name what a sentence is about

_KANA, _DENSE = re.compile(r"[\u3040-\u30ff]"), re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_DENSE_WORD = re.compile(r"[\u30a0-\u30ff]{2,}|[\u3400-\u9fff]{2,}|[A-Za-z][\w.-]+")
_ENGLISH = re.compile(r"\b(the|is|are|of|and|to|an?|can|must|in|for)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z\d])|(?<=[\u3002\uff01\uff1f])\s*"  # or after full-width signs
)
_HEADING = re.compile(r"#{1,6}\s+(?P<title>.+)")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+", re.MULTILINE)
_MARKS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|`+|!?\[([^\]]*)\]\([^)]*\)")
_SIGNS = re.compile(r"[^\w\s.,'\u2019\u3001\u3002()-]|\.{2,}|\. \.")
_LEANING = re.compile(r"(?:It|This|That|They|These|Those|He|She)\b|これ|それ|その|また|ただし")
_CONDITION = re.compile(r"(?P<word>When|If|After|Before|While|Once) (?P<clause>[^,.;:]{8,90}), ")
_REASON = re.compile(r"(?P<claim>[^.;:]{12,110}?),? because ")
_BEING = re.compile(r"(?P<subject>[^,.;:()]{2,60}?) (?P<verb>is|are|was|were) (?:an?|the|one) ")
_MODAL = re.compile(
    r"(?P<subject>[^,.;:()]{2,50}?) (?P<verb>can|cannot|must|may|should|will) "
    r"(?P<act>(?:be |have )?[a-z]+)\b"
)
_DOING = re.compile(
    r"(?P<subject>[A-Z][^,.;:()]{1,50}?) (?P<verb>(?:add|allow|answer|appl[iy]e|ask|build|call|"
    r"carr[iy]e|charge|check|combine|compare|contain|cost|count|cover|create|delete|deploy|"
    r"describe|enable|encrypt|end|ensure|evaluate|expect|explain|generate|give|handle|help|hold|"
    r"include|integrate|invoke|keep|leave|let|list|make|manage|mean|measure|need|offer|process|protect|"
    r"provide|read|receive|refuse|remove|replace|report|require|return|run|save|select|send|set|"
    r"show|simplif[iy]e|start|stop|store|support|take|tell|train|turn|use|work|write)s) "
)
_JAPANESE_TOPIC = re.compile(r"(?P<subject>[^、。は]{2,40})は、?(?P<rest>.+)")
_LOWERED = re.compile(r"(?:The|An?|Each|Every|All|Some|You|There|It)\b")


@dataclass(frozen=True)
class Fact:
    """A question-answer pair in the document's own words; `quote` is verbatim."""

    question: str
    answer: str
    quote: str
    topic: str


@dataclass(frozen=True)
class _Sentence:
    """A sentence with its heading, and the next one if that refers back to it."""

    text: str
    topic: str
    followed_by: str


def facts(documents: Sequence[Document], said: str, wanted: int) -> list[Fact]:
    """Return new facts, the most telling ones, in the documents' order.

    A question found in what was `said` to the model has been asked before.
    """
    sentences = [sentence for document in documents for sentence in _sentences(document)]
    known = _squeezed(said)
    chosen: dict[int, Fact] = {}
    asked: set[str] = set()
    for at in _most_telling(sentences):
        fact = _fact(sentences[at])
        question = _squeezed(fact.question)
        if question not in known and question not in asked and len(chosen) < wanted:
            chosen[at] = fact
            asked.add(question)
    return [chosen[at] for at in sorted(chosen)]


def answer_from(documents: Sequence[Document], question: str) -> str:
    """Return the sentences that have most to do with the question, in the documents' order."""
    sentences = [sentence.text for document in documents for sentence in _sentences(document)]
    asked = set(_terms(question))
    scored = sorted(
        ((len(asked.intersection(_terms(text))), -at) for at, text in enumerate(sentences)),
        reverse=True,
    )
    best = sorted(-at for score, at in scored[:_ANSWER_SENTENCES] if score)
    return " ".join(sentences[at] for at in best) or "The document does not say."


def tool_input(schema: Mapping[str, Any], found: Sequence[Fact]) -> dict[str, Any]:
    """Return what fits the tool's schema: its lists of objects have one for each fact."""
    return {
        name: _value(name, member, found) for name, member in schema.get("properties", {}).items()
    }


def pairs_wanted(schema: Mapping[str, Any]) -> int:
    """Return how many objects the schema's list of objects takes."""
    lists = [
        member for member in schema.get("properties", {}).values() if _is_list_of_objects(member)
    ]
    return max((member.get("maxItems", _USUAL_PAIRS) for member in lists), default=1)


def that_fit(schema: Mapping[str, Any], found: Sequence[Fact], max_tokens: int | None) -> int:
    """Return how many of the facts can be said in so many tokens."""
    fitting = len(found)
    while (
        fitting
        and max_tokens
        and count_tokens(json.dumps(tool_input(schema, found[:fitting]))) > max_tokens
    ):
        fitting -= 1
    return fitting


def _is_list_of_objects(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array" and schema.get("items", {}).get("type") == "object"


def _value(name: str, schema: Mapping[str, Any], found: Sequence[Fact]) -> Any:  # noqa: ANN401  # JSON
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "array":
            items = schema.get("items", {})
            return [_value(name, items, [fact]) for fact in found]
        case "object":
            return tool_input(schema, found)
        case "integer" | "number":
            return schema.get("minimum", len(found))
        case "boolean":
            return bool(found)
    return _text(name, found[0]) if found else ""


def _text(name: str, fact: Fact) -> str:
    texts = {
        fact.question: ("question", "prompt", "query", "instruction", "input"),
        fact.answer: ("answer", "completion", "response", "output", "reference_answer"),
        fact.topic: ("topic", "category", "title", "subject"),
    }
    return next((text for text, names in texts.items() if name.lower() in names), fact.quote)


def _sentences(document: Document) -> Iterator[_Sentence]:
    for topic, paragraph in _paragraphs(document):
        split = [text.strip() for text in _SENTENCE_END.split(paragraph) if text.strip()]
        for at, text in enumerate(split):
            after = split[at + 1] if at + 1 < len(split) else ""
            if _stands_alone(text):
                yield _Sentence(text, topic, after if _LEANING.match(after) else "")


def _paragraphs(document: Document) -> Iterator[tuple[str, str]]:
    """Yield (heading, paragraph), with wrapped lines joined."""
    topic, lines = document.name, list[str]()
    for line, following in _lines(document.text):
        title = _title(line, lines, following)
        if lines and (title or not line or _ITEM.match(line)):
            yield topic, _rejoined(lines)
            lines = []
        if title:
            topic = title
        elif line and not line.startswith(("|", "```", "~~~")):
            lines.append(_ITEM.sub("", line))
    if lines:
        yield topic, _rejoined(lines)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line with the one that follows it, without Markdown's marks."""
    lines = [line.strip() for line in [*text.splitlines(), ""]]
    for line, following in itertools.pairwise(lines):
        item = _ITEM.match(line)
        start = item.end() if item else 0
        yield line[:start] + _MARKS.sub(r"\1", line[start:]), following


def _title(line: str, before: Sequence[str], following: str) -> str | None:
    """Return the line's text if it is a heading: marked as one, or short and on its own."""
    if heading := _HEADING.match(line):
        return heading["title"].strip()
    starts = not before or before[-1].endswith((".", "!", "?", "。"))
    short = 2 < len(line) <= 60 and line[-1] not in ".!?。,;:、)"  # noqa: PLR2004  # characters
    return line if short and starts and following[:1].isupper() and line[0].isupper() else None


def _rejoined(lines: Sequence[str]) -> str:
    """Join lines; a script without spaces has none where a line ends."""
    text = lines[0]
    for line in lines[1:]:
        dense = _DENSE.match(line) or _DENSE.match(text[-1:])
        text += line if dense else f" {line}"
    return text


def _stands_alone(text: str) -> bool:
    letters = sum(map(str.isalnum, text))
    ends = text[-1] in ".!。" or text[-2:] in {'."', ".)"}
    allowed = _DENSE_LETTERS if _DENSE.search(text) else _LETTERS
    signs = len(_SIGNS.findall(text))  # as in code, tables and contents
    return ends and letters in allowed and signs * 12 <= letters and not _LEANING.match(text)


def _most_telling(sentences: Sequence[_Sentence]) -> list[int]:
    """Return positions, those first whose words are many and rare in the document."""
    terms = [set(_terms(sentence.text)) for sentence in sentences]
    counts = Counter(term for found in terms for term in found)
    weights = [
        math.fsum(math.log(1 + len(terms) / counts[term]) for term in found)
        / math.sqrt(8 + len(found))
        for found in terms
    ]
    return sorted(range(len(sentences)), key=lambda at: (-weights[at], at))


def _terms(text: str) -> Sequence[str]:
    """Return content words; of a script without spaces, names and pairs of letters."""
    return _DENSE_WORD.findall(text) if _DENSE.search(text) else content_stems(text)


def _fact(sentence: _Sentence) -> Fact:
    answer = f"{sentence.text} {sentence.followed_by}".strip()
    return Fact(_question(sentence.text), answer, sentence.text, sentence.topic)


def _question(text: str) -> str:
    if _DENSE.search(text):
        return _dense_question(text)
    if not _ENGLISH.search(text):  # the sentence itself, with a blank to fill
        return text.replace(_keys(text)[0], "_____", 1) if _keys(text) else text
    return _english_question(text)


def _english_question(text: str) -> str:
    if found := _CONDITION.match(text):
        return f"What happens {found['word'].lower()} {found['clause']}?"
    if found := _REASON.match(text):
        return f"Why is it that {_lowered(found['claim'])}?"
    if found := _BEING.match(text):
        return f"What {found['verb']} {_lowered(found['subject'])}?"
    if found := _DOING.match(text):
        verb = re.sub(r"ies$", "y", found["verb"]).removesuffix("s")
        return f"What does {_lowered(found['subject'])} {verb}?"
    if found := _MODAL.match(text):
        subject, verb = _lowered(found["subject"]), found["verb"]
        return f"What {verb} {subject} {found['act']}{_beside(text, subject)}?"
    return f"What applies to {_phrase(text)}{_beside(text, _phrase(text))}?"


def _phrase(text: str) -> str:
    """Return the longest word with the words of content right before and after it."""
    keys = _keys(text)
    if not keys:
        return text
    word = re.escape(keys[0])
    near = "|".join(re.escape(key) for key in keys[1:]) or word
    found = re.search(rf"(?:\b(?:{near}) )?\b{word}\b(?: (?:{near})\b)?", text)
    return found[0] if found else keys[0]


def _beside(text: str, subject: str) -> str:
    """Return what else the text is about than the subject, to tell questions on it apart."""
    other = next((key for key in _keys(text) if key not in subject), None)
    return f" with regard to {other}" if other else ""


def _dense_question(text: str) -> str:
    found = _JAPANESE_TOPIC.match(text)
    keys = _keys(found["rest"] if found else text)
    if not _KANA.search(text):
        return f"关于{'与'.join(keys[:2])}，需要知道什么？"  # noqa: RUF001  # Chinese signs
    if found and keys:
        return f"{found['subject']}と{keys[0]}について説明してください。"
    return f"{'と'.join(keys[:2]) or text}について説明してください。"


def _keys(text: str) -> list[str]:
    """Return the words that may name what the text is about, the longest first."""
    if _DENSE.search(text):
        words = _DENSE_WORD.findall(text)
    else:
        words = [
            word
            for word in re.findall(r"[^\W_][\w-]*[^\W_]", text)
            if len(word) >= _KEY_LETTERS and content_stems(word)
        ]
    return sorted(dict.fromkeys(words), key=lambda word: (-len(word), text.index(word)))


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:] if _LOWERED.match(text) else text


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
