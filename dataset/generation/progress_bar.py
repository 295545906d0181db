"""Generation progress on a console: a bar on a terminal, a line per request elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class ProgressBar(Progress):
    """A context manager, because the bar moves by itself."""

    def __init__(self, pairs: int) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        super().__init__(
            TextColumn("pairs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[tokens]:,} tokens"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._pairs = pairs
        self._task = self.add_task("", total=pairs, tokens=0)

    def show(self, kept: int, tokens: int, doing: str) -> None:
        """Show how far the generation is; `doing` says what comes next."""
        self.update(self._task, completed=kept, tokens=tokens, description=doing)
        if doing and not self.console.is_terminal:
            self.note(f"{kept} of {self._pairs} pairs, {tokens:,} tokens; {doing}")

    def note(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
