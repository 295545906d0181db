"""Progress on standard error: a bar if it is a terminal, and lines."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class ProgressBar(Progress):
    """A context manager, because the bar moves by itself."""

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._task = self.add_task("", total=total, completed=done)

    def move(self, more: int) -> None:
        self.advance(self._task, more)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, markup=False)
