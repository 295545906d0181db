"""The reviews of `python -m dataset review`: which are paid for, and what they have cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dataset.generation.journal import Journal
from lambdas.domain.data_review.tasks import ReviewTask, TokenCost, fingerprint
from lambdas.domain.run.contracts import ReviewRow


class ReviewEntry(ReviewRow):
    """A paid review, or a paid failure, with the record that it is of."""

    judge: str
    fingerprint: str
    prompt: str
    answer: str


@dataclass
class ReviewLog:
    """Finds a review by its fingerprint, so that lines of the training file may move.

    Failures are kept for their cost, and are retried.
    """

    journal: Journal[ReviewEntry]
    judge: str

    def __post_init__(self) -> None:
        self._latest = {entry.fingerprint: entry for entry in self.journal.entries}

    def usd(self, usd: TokenCost) -> float:
        """Return the cost of this judge's reviews, failures and moved lines included."""
        own = [entry for entry in self.journal.entries if entry.judge == self.judge]
        input_tokens = sum(entry.input_tokens for entry in own)
        return usd(input_tokens, sum(entry.output_tokens for entry in own))

    def has(self, task: ReviewTask) -> bool:
        entry = self._latest.get(fingerprint(self.judge, task))
        return entry is not None and entry.score is not None

    def add(self, task: ReviewTask, row: ReviewRow) -> None:
        """Write a review; it is on the disk when this returns."""
        record = {
            "judge": self.judge,
            "fingerprint": fingerprint(self.judge, task),
            "prompt": task.prompt,
            "answer": task.answer,
            **row.model_dump(exclude_none=True),
        }
        entry = ReviewEntry.model_validate(record)
        self.journal.append(entry)
        self._latest[entry.fingerprint] = entry

    def rows(self, tasks: Iterable[ReviewTask]) -> list[ReviewRow]:
        """Return the reviews of these records, each with the current line of its record."""
        found = ((task, self._latest.get(fingerprint(self.judge, task))) for task in tasks)
        return [entry.model_copy(update={"line": task.line}) for task, entry in found if entry]
