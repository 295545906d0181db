"""Records and prompts that occur again, in the same file or in another: compared exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from lambdas.validation.jsonl.findings import Finding


class ExactDuplicates:
    """The records and prompts seen so far, in all files."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, bytes], int] = {}
        self._prompts: dict[bytes, list[tuple[str, int]]] = {}
        self._turns: dict[bytes, tuple[str, int]] = {}  # questions within longer prompts

    def add_turns(self, file: str, line: int, turns: Iterable[bytes]) -> None:
        """Add the questions within a longer prompt, by the digests that prompts have."""
        for turn in turns:
            self._turns.setdefault(turn, (file, line))

    def find(
        self, file: str, line: int, record: bytes, prompt: bytes, apart: Collection[str] = ()
    ) -> Iterator[Finding]:
        """Add a record by the digests of all of it and of its prompt; yield what it repeats.

        Nothing leaks from a file that is `apart`.
        """
        places = self._prompts.setdefault(prompt, [])
        met = [*places, self._turns[prompt]] if prompt in self._turns else places
        elsewhere = next(((other, at) for other, at in met if other not in {file, *apart}), None)
        here = next((at for other, at in places if other == file), None)
        same = self._records.setdefault((file, record), line)
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
