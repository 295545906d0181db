"""Whoever rehearses, as far as the run is concerned: reads its mails, decides, asks its model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from local.rehearsal.decision import Decision
from local.rehearsal.hold import Hold
from local.rehearsal.mails import Inbox
from local.rehearsal.progress import Event, ExecutionProgress


@dataclass(frozen=True)
class Attendance:
    """Shows a run as it goes on; nothing of it waits for a person in silence."""

    progress: ExecutionProgress
    inbox: Inbox
    decision: Decision
    hold: Hold

    def attend(self, events: Sequence[Event]) -> None:
        """Take the events and mails since the last call; call it every moment of a run."""
        self.progress.show(events)
        self.read_mails()
        for waiting in (self.decision, self.hold):
            waiting.look(events)
            waiting.wait()

    def read_mails(self) -> None:
        for mail, path in self.inbox.take():
            self.progress.say(f"            Mail: {os.path.relpath(path)}")
            self.decision.read(mail)
