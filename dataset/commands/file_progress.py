"""How far files are read: a progress bar each, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBars

from lambdas.validation.check import ReadProgress

_SHOWN_FROM_BYTES = 16 * 1024**2  # a smaller file is read before its bar could be seen


@contextmanager
def file_progress() -> Iterator[Callable[[ReadProgress], None]]:
    """Yield what shows the progress of a file."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bars = ProgressBars(*columns, TransferSpeedColumn(), console=console, transient=True)
    bars.disable = not console.is_terminal
    tasks: dict[str, TaskID] = {}

    def show(progress: ReadProgress) -> None:
        if progress.bytes_total < _SHOWN_FROM_BYTES:
            return
        if progress.file not in tasks:
            tasks[progress.file] = bars.add_task(progress.file, total=progress.bytes_total)
        bars.update(tasks[progress.file], completed=progress.bytes_done)

    with bars:
        yield show
