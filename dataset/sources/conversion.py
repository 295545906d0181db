"""Converts entries of a source to records of a model's format, or to evaluation examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataset.sources.conversations import Entry
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.validation import Conversation, Turn
from lambdas.validation.formats.conversation import ROLES
from lambdas.validation.warnings.language import language_of

# The general system prompt of pairs, in the languages that it exists in.
SYSTEM_PROMPTS: Mapping[str, str] = {
    "English": "You answer questions precisely. Give a correct answer in a few sentences, keep to "
    "what was asked, and leave out what you are not sure of.",
    "Japanese": "質問に正確に答えてください。数文で正しい答えを述べ、聞かれたことだけに答え、"
    "確かでないことは書かないでください。",
    "Chinese": "请准确回答问题。用几句话给出正确的答案，只回答所问的内容，"  # noqa: RUF001  # Chinese
    "不写没有把握的内容。",
    "Korean": "질문에 정확하게 답하십시오. 몇 문장으로 올바른 답을 제시하고, "
    "질문받은 것에만 답하며, 확실하지 않은 내용은 쓰지 마십시오.",
    "German": "Du beantwortest Fragen genau. Gib in wenigen Sätzen eine richtige Antwort, bleibe "
    "bei der Frage und lass weg, was du nicht sicher weißt.",
    "French": "Tu réponds aux questions avec précision. Donne une réponse juste en quelques "
    "phrases, tiens-t'en à la question et omets ce dont tu n'es pas sûr.",
    "Spanish": "Respondes preguntas con precisión. Da una respuesta correcta en pocas frases, "
    "cíñete a lo que se pregunta y omite lo que no sepas con certeza.",
    "Portuguese": "Você responde a perguntas com precisão. Dê uma resposta correta em poucas "
    "frases, atenha-se à pergunta e omita aquilo de que não tem certeza.",
    "Italian": "Rispondi alle domande con precisione. Dai una risposta corretta in poche frasi, "
    "attieniti alla domanda e ometti ciò di cui non sei sicuro.",
}
_LOOKED_AT = 200  # records, for the language
_SENTENCE_ENDS = (*".!?…。！？", '."', ".)", "」", "）")  # noqa: RUF001  # full-width, too
_INSTEAD = "drop the record, or write it as one question and its answer"
# Not the names of roles: models reserve those.
_SPEAKERS = {"user": "Question", "assistant": "Answer"}


@dataclass(frozen=True)
class Style:
    """How records are to be written."""

    # For records without one; None: the general one in pairs if the format has a field for it, and
    # nothing in conversations.
    system_prompt: str | None = None
    no_system_prompt: bool = False  # not even the records' own
    no_reasoning: bool = False  # even if the model trains on it


def usual_system_prompt(entries: Iterable[Entry]) -> str | None:
    """Return the general system prompt in the language of most pairs; None in other languages.

    None, too, where most answers are not sentences, such as labels or JSON: it asks for sentences,
    and the base model would be marked down for doing as it is told.
    """
    pairs = [entry.conversation for entry in entries if entry.by_keys][:_LOOKED_AT]
    if 2 * sum(each.answer.rstrip().endswith(_SENTENCE_ENDS) for each in pairs) < len(pairs):
        return None
    languages = Counter(language_of(f"{each.prompt} {each.answer}") for each in pairs)
    del languages[None]  # short texts, mostly
    [(language, _)] = languages.most_common(1) or [("English", 0)]
    return SYSTEM_PROMPTS.get(language or "")


def obstacle(entry: Entry, model: Model, style: Style, *, is_asked: bool) -> str | None:
    """Return why an entry cannot be a training record of the model, or an evaluation example."""
    untrained = entry.untrained[-1:] if is_asked else entry.untrained
    if why := next(filter(None, untrained), ""):
        what = "so it is not a reference" if is_asked else "but every answer is trained on"
        return f"{why}, {what}: drop the record, or write one for each answer that counts"
    if is_asked:
        return None
    turns = entry.conversation.turns
    if has_one_prompt(model) and len(turns) > len(ROLES):
        return (
            f"{len(turns)} turns, but {model.name} is trained on one prompt and "
            f"its completion: {_INSTEAD}"
        )
    has_reasoning = any(turn.reasoning for turn in turns)
    if has_reasoning and not model.trains_on_reasoning and not style.no_reasoning:
        others = ", ".join(key for key, each in MODELS.items() if each.trains_on_reasoning)
        return (
            f"it has reasoning, and {model.name} does not train on it: leave it out with "
            f"--no-reasoning, or tune a model that does ({others})"
        )
    return None


def written(
    entry: Entry, model: Model, style: Style, usual: str | None, *, is_asked: bool
) -> Conversation:
    """Return what a training record says, or an evaluation example, of an entry without obstacles.

    An example has no system prompt and no reasoning. Its earlier turns are its history or, where
    the model is trained on one prompt, part of its question.
    """
    turns = entry.conversation.turns
    if is_asked or style.no_reasoning or not model.trains_on_reasoning:
        turns = tuple(replace(turn, reasoning=None) for turn in turns)
    if has_one_prompt(model):
        turns = _flat(turns)
    return Conversation(None if is_asked else _system_prompt(entry, model, style, usual), turns)


def changes(
    entry: Entry, after: Conversation, model: Model, common: str | None = None
) -> Iterator[str]:
    """Yield what is written in another way than the entry has it.

    `common` is the system prompt that a run asks all questions with.
    """
    before = entry.conversation
    if after.system and not before.system:
        yield f'added a system prompt: "{after.system}" (--no-system-prompt: none)'
    if after.system and has_one_prompt(model):
        yield (
            f"wrote the system prompt into the prompt, as {model.name} is trained without one: ask "
            "the tuned model with the same text, or prepare with --no-system-prompt"
        )
    if before.system and not after.system and before.system != common:
        why = ": a run asks with that of most training records" if common else ""
        yield f"left out the system prompt{why}"
    thought, kept = (sum(bool(turn.reasoning) for turn in each.turns) for each in (before, after))
    if kept < thought:
        yield "left out the reasoning"
    if len(after.turns) < len(before.turns):
        yield "wrote the earlier turns into the question"


def example(number: int, entry: Entry, said: Conversation) -> dict[str, Any]:
    """Write an evaluation example; without an id it gets one."""
    *history, question, answer = said.turns
    earlier = [{"role": turn.role, "content": turn.text} for turn in history]
    return {
        "id": entry.id or f"evaluation-{number:03}",
        "question": question.text,
        "reference_answer": answer.text,
        **({"topic": entry.topic} if entry.topic else {}),
        **({"history": earlier} if earlier else {}),
    }


def _system_prompt(entry: Entry, model: Model, style: Style, usual: str | None) -> str | None:
    if style.no_system_prompt:
        return None
    general = usual if entry.by_keys and not has_one_prompt(model) else None
    return entry.conversation.system or style.system_prompt or general


def _flat(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return one question, with the earlier turns written into it, and the last answer."""
    *earlier, last = turns
    if len(earlier) == 1:
        return turns
    said = "\n\n".join(f"{_SPEAKERS[turn.role]}: {turn.text}" for turn in earlier)
    return Turn("user", said), last


def has_one_prompt(model: Model) -> bool:
    """Whether the model is trained on one prompt and its completion, not on conversations."""
    return model.record_format == "prompt-completion"
