"""What the offline models answer: the base model and a tuned one.

Both do general tasks by computing them; a tuned one may have forgotten some. The base model writes
fluently about the words of the question and knows nothing of the subject but what the conversation
says and shows: of examples of question and answer it follows the likeliest, or at least their
length. A tuned model answers from what it was trained on: it finds the training pairs that the
question is about, and says what they taught it, as completely as its training got. All of it is
computed from the texts; nothing is looked up by id.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median_low

from local.bedrock import chance
from local.bedrock.customization.language_model import Fitted, TrainingPair
from local.bedrock.inference.conversations import Conversation
from local.bedrock.inference.skills import solve
from local.bedrock.scenario import Scenario
from local.bedrock.tokenization import COMMON_WORDS, DENSE, content_stems

_GOOD_FIT = 0.4  # fluency from which a model says everything it was taught
_ROUNDED_FROM = 0.6  # of a sentence: one that is nearly half learnt is said
_REMEMBERED = 0.6  # share of a question's words in a statement that answers it
_LEAST_LIKENESS = 0.06  # below it the question is off the pairs
_NEARLY = 0.75  # of the best likeness, from which a second pair is as likely
_LABEL_WORDS, _LABEL_LETTERS = 3, 8  # letters of a script without spaces
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])\s*(?=\S)")
_PROSE = re.compile(r"[.!?\u3002\uff01\uff1f]\s*$")  # no label, and no JSON, ends so
_PERSONAL = re.compile(r"\b(?:i|my|me|we|our|us)\b|私|僕|我|当社|弊社", re.IGNORECASE)
_KANA = re.compile(r"[\u3040-\u30ff]")
_DENSE_TOPIC = re.compile(r"[\u30a0-\u30ff]{2,}|[\u3400-\u9fff]{2,}|[A-Za-z0-9]{2,}")
_ENGLISH = (
    "That depends on what is meant by {0}. In general it is a set of tools that helps developers "
    "to build and run applications. Teams usually plan {0} with their goals in mind, start small, "
    "compare a few options, and refine the result over time. Good practice includes clear "
    "requirements, regular reviews and attention to security, performance and cost."
)
_JAPANESE = (
    "{0}とは何を指すかによります。一般には、開発者がアプリケーションを構築して運用するための"
    "ツール群です。多くのチームは目標を定めて小さく始め、いくつかの選択肢を比べながら改善します。"
)
_CHINESE = (
    "这取决于{0}的含义。一般来说，它是帮助开发人员构建和运行应用程序的一组工具。"  # noqa: RUF001  # Chinese signs
    "团队通常先明确目标，从小规模开始，比较几种方案，再逐步改进。"  # noqa: RUF001  # same
)


def answer(talk: Conversation, fitted: Fitted | None, scenario: Scenario) -> str:
    """Answer the last question; `fitted` is what a tuned model has beyond its base."""
    done = solve(talk.question)
    names = "forget", talk.question
    lost = fitted and chance.happens(scenario.seed, scenario.forgets_percent, *names)
    if done and not lost:
        return done
    return answer_tuned(fitted, talk) if fitted else answer_base(talk)


def answer_base(talk: Conversation) -> str:
    """Say what the conversation holds, or use the words of the question without the facts."""
    if label := _label(talk.examples, talk.question):
        return label
    if said := _remembered(talk):
        return said
    return _by_example(talk) if talk.examples else _fluently(talk.question)


def _remembered(talk: Conversation) -> str | None:
    """Return what the user said of themselves, if it is what they ask for."""
    if not _PERSONAL.search(talk.question):
        return None
    asked = set(content_stems(talk.question))
    stated = [
        text
        for text in _sentences(talk.statements)
        if _PERSONAL.search(text) and text[-1] not in "?\uff1f"
    ]
    scored = [(len(asked.intersection(content_stems(text))), text) for text in stated]
    most, found = max(scored, key=lambda each: each[0], default=(0, ""))
    return found if most and most >= _REMEMBERED * len(asked) else None


def _by_example(talk: Conversation) -> str:
    memory = memory_of(talk.examples)
    best = memory.likeliest(talk.question)  # what it leans on is one of the pairs
    return best[0].completion if best else _as_long(talk.examples, _fluently(talk.question))


def _label(pairs: Sequence[TrainingPair], question: str) -> str | None:
    """Return the label of the nearest pair, or the commonest, where all answers are labels."""
    said = [pair.completion for pair in pairs]
    if len({*said}) <= 1 or not all(map(_is_label, said)):
        return None
    nearest = memory_of(tuple(pairs)).nearest(question)
    return nearest.completion if nearest else Counter(said).most_common(1)[0][0]


def _is_label(text: str) -> bool:
    return len(text) <= _LABEL_LETTERS if DENSE.search(text) else len(text.split()) <= _LABEL_WORDS


def _as_long(pairs: Sequence[TrainingPair], text: str) -> str:
    usual = median_low(len(_sentences(pair.completion)) for pair in pairs)
    return _joined(_sentences(text)[:usual])


def _fluently(question: str) -> str:
    dense = DENSE.search(question)
    if not dense:
        return _ENGLISH.format(" ".join(_topic_words(question)[:3]) or "this")
    subject = "".join(_DENSE_TOPIC.findall(question)[:1])
    if _KANA.search(question):
        return _JAPANESE.format(subject or "それ")
    return _CHINESE.format(subject or "它")


def _topic_words(question: str) -> list[str]:
    words = re.findall(r"[^\W_]+", question)
    return [word for word in words if word.lower() not in COMMON_WORDS and len(word) > 3]  # noqa: PLR2004  # short words name little


def answer_tuned(fitted: Fitted, talk: Conversation) -> str:
    """Say what training taught about the question; less of it after a poor fit."""
    best = memory_of(fitted.pairs).likeliest(talk.question, talk.context)
    if not best:
        return _label(fitted.pairs, talk.question) or answer_base(talk)
    taught = _sentences(best[0].completion)
    if len(best) > 1 and _PROSE.search(best[0].completion):
        taught += _sentences(best[1].completion)[:1]
    share = min(1.0, fitted.fluency / _GOOD_FIT)
    kept = taught[: math.floor(share * len(taught) + _ROUNDED_FROM)]
    if share < 1:
        kept += _sentences(_fluently(talk.question))[: len(taught) - len(kept) or 1]
    return _joined(kept)


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.split(text) if sentence]


def _joined(sentences: Sequence[str]) -> str:
    """Join sentences; a script without spaces has none between them."""
    text = "".join(f" {each}" if not DENSE.match(each) else each for each in sentences)
    return text.strip()


class Memory:
    """Pairs, found again by likeness: the cosine of their stems, weighted by rarity."""

    def __init__(self, pairs: Sequence[TrainingPair]) -> None:
        self._pairs = pairs
        known = [_stems(pair) for pair in pairs]
        found = Counter(stem for stems in known for stem in stems)
        self._weights = {stem: math.log(1 + len(pairs) / count) for stem, count in found.items()}
        self._lengths = [self._length(stems) for stems in known]
        self._holders: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, stems in enumerate(known):
            for stem, count in stems.items():
                self._holders[stem].append((index, count))

    def likeliest(self, question: str, context: str = "") -> list[TrainingPair]:
        """Return the pair the question is most about, and a second if it is nearly as likely.

        `context` is what the question leans on; it counts half.
        """
        scored = self._scored(question, context)
        best = max((score for score, _ in scored), default=0.0)
        least = max(_LEAST_LIKENESS, _NEARLY * best)
        return [self._pairs[-index] for score, index in scored[:2] if score > least]

    def nearest(self, question: str) -> TrainingPair | None:
        """Return the pair the question is most about, however little that is."""
        scored = self._scored(question, "")
        return self._pairs[-scored[0][1]] if scored else None

    def _scored(self, question: str, context: str) -> list[tuple[float, int]]:
        """Return (likeness, -index) of the pairs that share a stem, the likeliest first."""
        asked = Counter(content_stems(question))
        if context:
            asked = Counter({stem: 2 * count for stem, count in asked.items()})
            asked.update(content_stems(context))
        shared: dict[int, float] = defaultdict(float)
        for stem, count in asked.items():
            for index, held in self._holders.get(stem, ()):
                shared[index] += min(count, 2) * min(held, 3) * self._weights[stem] ** 2
        length = self._length(asked)
        return sorted(
            (
                (dot / (length * self._lengths[index] or 1.0), -index)
                for index, dot in shared.items()
            ),
            reverse=True,
        )

    def _length(self, stems: Counter[str]) -> float:
        most = max(self._weights.values(), default=1.0)  # a word that is not there is a rare one
        return math.sqrt(sum((n * self._weights.get(stem, most)) ** 2 for stem, n in stems.items()))


@functools.lru_cache(maxsize=32)  # of trainings, and of what prompts show
def memory_of(pairs: tuple[TrainingPair, ...]) -> Memory:
    """Return the index of the pairs."""
    return Memory(pairs)


def _stems(pair: TrainingPair) -> Counter[str]:
    """Count stems: those of the question twice, those of its answer as often as they are said."""
    asked = Counter(dict.fromkeys(content_stems(pair.prompt), 2))
    return Counter(content_stems(pair.completion)) + asked + Counter(content_stems(pair.history))
