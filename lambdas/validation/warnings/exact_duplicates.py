"""Records and prompts that occur again, in the same file or in another: compared exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import sha256

from lambdas.validation.formats.conversation import Conversation
from lambdas.validation.jsonl.findings import Finding
from lambdas.validation.warnings.dataset_warnings import prompt_digest

_BLANK_LINE = "\n\n"
_PARAGRAPHS = 4  # at a prompt's end that a question may have


class ExactDuplicates:
    """The records and prompts seen so far, in all files."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, bytes], int] = {}
        self._prompts: dict[bytes, list[tuple[str, int]]] = {}
        self._turns: dict[bytes, tuple[str, int]] = {}  # questions within longer prompts

    def find(
        self,
        file: str,
        line: int,
        conversation: Conversation,
        prompt: bytes,
        apart: Collection[str] = (),
    ) -> Iterator[Finding]:
        """Add a record, with its `prompt_digest`; yield what it repeats.

        Nothing leaks from a file that is `apart`.
        """
        for turn in _questions(conversation):
            self._turns.setdefault(prompt_digest(turn), (file, line))
        places = self._prompts.setdefault(prompt, [])
        met = [*places, self._turns[prompt]] if prompt in self._turns else places
        elsewhere = next(((other, at) for other, at in met if other not in {file, *apart}), None)
        here = next((at for other, at in places if other == file), None)
        same = self._records.setdefault((file, _digest(conversation)), line)
        if same != line:
            message = f"the same record as line {same}"
            yield Finding.of("duplicate", "", message, file=file, line=line)
        if elsewhere:
            place = f"{elsewhere[0]}:{elsewhere[1]}"
            message = f"the same prompt as {place}, so it measures memorization"
            yield Finding.of("leak", "", message, file=file, line=line)
        if here is None:
            places.append((file, line))
        elif same == line:
            message = f"the same prompt as line {here}"
            yield Finding.of("repeated-prompt", "", message, file=file, line=line)


def _digest(conversation: Conversation) -> bytes:
    said = [(turn.role, turn.text) for turn in conversation.turns]
    whole = repr((conversation.system, said))
    return sha256(whole.encode(errors="surrogatepass")).digest()[:16]


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
