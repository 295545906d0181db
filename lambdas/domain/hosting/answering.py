"""For how long a hosted model is asked, by the number of questions."""

from __future__ import annotations

from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.parallel import CONCURRENCY

# Low, expected and most seconds of one answer: today's models take a few. The most is what the
# release-by leaves time for; what is slower is asked in the margin, or not to the end.
SECONDS = (1.0, 3.0, 10.0)
RELEASE_MINUTES = 15  # of the margin: when so little is left, asking has to end
LONGEST_MINUTES = 14 * 60
ENOUGH_QUESTIONS = 200  # mostly show a difference of half a point: see `benchmarks/verdicts.py`
_SECONDS_PER_MINUTE = 60


def answering_minutes(questions: int, seconds: float, per_minute: float | None = None) -> float:
    """Return how long so many questions take, several at once, at so many seconds each.

    `per_minute`: requests that AWS lets through; None: no limit is known.
    """
    limited = questions / per_minute if per_minute else 0
    return max(questions * seconds / CONCURRENCY / _SECONDS_PER_MINUTE, limited)


def margin_minutes(questions: int, least_minutes: float, per_minute: float | None = None) -> float:
    """Return the time for answers and release, between being ready and having to be gone."""
    longest = min(answering_minutes(questions, SECONDS[-1], per_minute), LONGEST_MINUTES)
    return max(least_minutes, longest + RELEASE_MINUTES)


def check_questions(questions: int, per_minute: float | None = None) -> None:
    """Refuse what no hosting lives long enough for.

    Raises
    ------
    DatasetInvalid
        Says how many may be asked.
    """
    if answering_minutes(questions, SECONDS[-1], per_minute) > LONGEST_MINUTES:
        most = int(LONGEST_MINUTES / answering_minutes(1, SECONDS[-1], per_minute))
        raise DatasetInvalid(
            f"{questions:,} evaluation questions are more than the {most:,} that a tuned model is "
            f"hosted for: {ENOUGH_QUESTIONS} show a difference of half a point, so keep a sample "
            "of them"
        )
