"""Generation progress on a console: a bar on a terminal, a line per request elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@dataclass
class ProgressBar:
    """A context manager, because the bar moves by itself."""

    console: Console
    pairs: int
    _progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self._progress = Progress(
            TextColumn("pairs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[tokens]:,} tokens"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("", total=self.pairs, tokens=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, kept: int, tokens: int, doing: str) -> None:
        """Show how far the generation is; `doing` says what comes next."""
        self._progress.update(self._task, completed=kept, tokens=tokens, description=doing)
        if doing and not self.console.is_terminal:
            self.note(f"{kept} of {self.pairs} pairs, {tokens:,} tokens; {doing}")

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
