"""The functions: one a state. Name, memory and time are the whole difference between two.

Those of a run are in the pipeline stack. Those that watch over runs, or clean up after them, are in
the guards stack, which stays when the pipeline is changed or removed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A state's function; the module in `lambdas/` and the function carry the same verb phrase."""

    name: str  # "Check training", as in the console's graph
    memory_mb: int = 256
    timeout_seconds: int = 60
    plots: bool = False  # needs the plotting layer

    @property
    def module(self) -> str:
        return self.name.lower().replace(" ", "_")

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")

    @property
    def id(self) -> str:
        """Return the construct's id: "CheckTraining"."""
        return self.name.title().replace(" ", "")


_LONGEST = 900  # Lambda's own limit; whoever reads or asks much gets all of it

PIPELINE_STEPS = (
    Step("Check preflight"),
    # Streams files of up to 10 GB: at 1,769 MB a vCPU, this is two, and a process on each.
    Step("Validate dataset", memory_mb=3538, timeout_seconds=_LONGEST),
    Step("Quote cost"),
    Step("Approve spend"),
    # Streams a training file of up to 10 GB; holds the records that the money pays for.
    Step("Plan review", memory_mb=1769, timeout_seconds=_LONGEST),
    Step("Review records", memory_mb=512, timeout_seconds=_LONGEST),
    Step("Summarise review", memory_mb=512, timeout_seconds=120),
    Step("Start training"),
    Step("Check training"),
    Step("Stop training"),
    Step("Read loss curves", memory_mb=1024, timeout_seconds=120, plots=True),
    Step("Answer with base model", memory_mb=512, timeout_seconds=_LONGEST),
    Step("Buy throughput"),
    Step("Check throughput"),
    Step("Answer with tuned model", memory_mb=512, timeout_seconds=_LONGEST),
    Step("Release throughput"),
    Step("Judge answers", memory_mb=512, timeout_seconds=_LONGEST),
    Step("Decide verdict", memory_mb=512, timeout_seconds=120),
    Step("Write report", memory_mb=512, timeout_seconds=120),
    Step("Notify"),
    Step("Decide spend"),
)
GUARD_STEPS = (
    Step("Stop run"),
    # Looks at all that the account has, tags one by one.
    Step("Reap leftovers", timeout_seconds=300),
    Step("List resources", timeout_seconds=300),
    Step("Delete resources", timeout_seconds=300),
    Step("Inspect purchase"),
)
STEPS = PIPELINE_STEPS + GUARD_STEPS
