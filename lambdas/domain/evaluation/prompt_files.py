"""What a judge is told, from `prompts/`: one file a prompt, language and version.

A text that has been released never changes: a change is a file of the next version, beside the
earlier ones, by whose names what they led to stays comparable.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from lambdas.domain.evaluation.rubrics import Choice, Rubric
from lambdas.domain.run.execution_input import JudgePrompt

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FOLDER = Path(__file__).with_name("prompts")


def language_of(judge_prompt: JudgePrompt, *, japanese: bool) -> Language:
    """Return the language that the input asks for; `japanese` is what the judge will read."""
    if judge_prompt == "auto":
        return "ja" if japanese else "en"
    return judge_prompt


def correctness(language: Language) -> Rubric:
    """Return how an answer is scored against its reference."""
    return _rubric("correctness", language)


def preference(language: Language) -> Choice:
    """Return how the better of two answers is chosen."""
    name, read = _newest("preference", language)
    return Choice(
        name=name,
        tool_name=read["tool"],
        system_prompt=read["system"],
        reason=read["reason"],
        field=read["field"],
        options=read["options"],
    )


def review(language: Language) -> Rubric:
    """Return how a training record is reviewed."""
    return _rubric("review", language)


def _rubric(kind: str, language: Language) -> Rubric:
    name, read = _newest(kind, language)
    return Rubric(
        name=name,
        tool_name=read["tool"],
        system_prompt=read["system"],
        reason=read["reason"],
        criteria=read["criteria"],
    )


@cache
def _newest(kind: str, language: Language) -> tuple[str, dict[str, Any]]:
    """Return the name, such as "correctness.en.v1", and the content of the newest version."""
    path = max(FOLDER.glob(f"{kind}.{language}.v*.toml"), key=_version)
    return path.stem, tomllib.loads(path.read_text(encoding="utf-8"))


def _version(path: Path) -> int:
    return int(path.stem.rpartition(".v")[2])
