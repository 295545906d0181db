"""Records and prompts that occur again, in the same file or in another: compared exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.warnings.sketches import normalised

_BLANK_LINE = "\n\n"
_PARAGRAPHS = 4  # at a prompt's end that a question may have


class ExactDuplicates:
    """The records and prompts seen so far, in all files."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, int], int] = {}  # of these and the others by their hashes
        self._prompts: dict[int, list[tuple[str, int]]] = {}
        self._turns: dict[int, tuple[str, int]] = {}  # questions within longer prompts

    def find(
        self,
        file: str,
        line: int,
        conversation: Conversation,
        prompt: int,
        apart: Collection[str] = (),
    ) -> Iterator[tuple[str, str]]:
        """Add a record, with the hash of its prompt's words; yield what it repeats, by code.

        Nothing leaks from a file that is `apart`.
        """
        for turn in _questions(conversation):
            self._turns.setdefault(hash(normalised(turn)), (file, line))
        places = self._prompts.setdefault(prompt, [])
        met = [*places, self._turns[prompt]] if prompt in self._turns else places
        elsewhere = next(((other, at) for other, at in met if other not in {file, *apart}), None)
        here = next((at for other, at in places if other == file), None)
        same = self._records.setdefault((file, hash(conversation)), line)
        if same != line:
            yield "duplicate", f"the same record as line {same}"
        if elsewhere:
            place = f"{elsewhere[0]}:{elsewhere[1]}"
            yield "leak", f"the same prompt as {place}, so it measures memorization"
        if here is None:
            places.append((file, line))
        elif same == line:
            yield "repeated-prompt", f"the same prompt as line {here}"


def _questions(conversation: Conversation) -> Iterator[str]:
    """Yield what is asked within a prompt: by a turn of several, or at an end."""
    asked = [turn.text for turn in conversation.turns if turn.role == "user"]
    if len(asked) > 1:
        yield from asked
    for text in asked:
        # Behind the last blank lines: before them, a pair has its system prompt.
        parts = text.rsplit(_BLANK_LINE, _PARAGRAPHS)
        for at in range(1, len(parts)):
            yield _BLANK_LINE.join(parts[at:])
