"""How far files are read: a progress bar each, on a terminal only."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from lambdas.validation import Progress as FileRead

_SHOWN_FROM_BYTES = 16 * 1024**2  # a smaller file is read before its bar could be seen


class FileProgress:
    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self._bars = Progress(
            *columns,
            TransferSpeedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: FileRead) -> None:
        if progress.bytes_total < _SHOWN_FROM_BYTES:
            return
        if progress.file not in self._tasks:
            self._bars.start()
            self._tasks[progress.file] = self._bars.add_task(
                progress.file, total=progress.bytes_total
            )
        self._bars.update(self._tasks[progress.file], completed=progress.bytes_done)
