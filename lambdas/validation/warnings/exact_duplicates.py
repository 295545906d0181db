"""Records and prompts that occur again, in the same file or in another: compared exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.warnings.sketches import normalised

_Place = tuple[str, int]  # file and line
_BLANK_LINE = "\n\n"
_PARAGRAPHS = 4  # at a prompt's end that a question may have


class ExactDuplicates:
    """The records and prompts seen so far, in all files."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, int], int] = {}  # of these and the others by their hashes
        self._prompts: dict[int, list[_Place]] = {}
        self._turns: dict[int, _Place] = {}  # questions within longer prompts

    def find(
        self, place: _Place, conversation: Conversation, prompt: int, apart: Collection[str] = ()
    ) -> Iterator[tuple[str, str]]:
        """Add a record, with the hash of its prompt's words; yield what it repeats, by code.

        Nothing leaks from a file that is `apart`.
        """
        file, line = place
        for turn in _questions(conversation):
            self._turns.setdefault(hash(normalised(turn)), place)
        places = self._prompts.setdefault(prompt, [])
        met = [*places, self._turns[prompt]] if prompt in self._turns else places
        elsewhere = next(((other, at) for other, at in met if other not in {file, *apart}), None)
        here = next((at for other, at in places if other == file), None)
        same = self._records.setdefault((file, hash(conversation)), line)
        if same != line:
            yield "duplicate", f"the same record as line {same}"
        if elsewhere:
            other, at = elsewhere
            yield "leak", f"the same prompt as {other}:{at}, so it measures memorization"
        if here is None:
            places.append(place)
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
