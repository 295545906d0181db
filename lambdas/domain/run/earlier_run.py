"""What a run leaves of itself, for a later one that judges its answers again."""

from __future__ import annotations

from lambdas.domain.run.contracts import Contract, Dataset, Run


class AnswerSettings(Contract):
    """The settings that answers depend on, which those who judge them again take over."""

    dataset: str
    model: str
    system_prompt: str | None
    max_answer_tokens: int


class EarlierRun(Contract):
    """What is read of `run.json`: the rest may be of other code than this."""

    name: str
    settings: AnswerSettings
    asked: int  # questions
    tuned_by_run: str | None = None
    answers_of_run: str | None = None

    @property
    def tuned_by(self) -> str:
        """The run that has trained the model."""
        return self.tuned_by_run or self.name


def run_key(folder: str) -> str:
    return f"{folder}/run.json"


def as_json(run: Run, dataset: Dataset) -> dict[str, object]:
    """Return what `run.json` holds, once the dataset is found valid."""
    return run.model_dump(mode="json") | {"asked": dataset.asked}
