"""What a step's declaration says; its function, role and explained findings follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lambdas.domain.run.variables import Variables
from stacks.constructs.access import Access
from stacks.constructs.permission import Permission

MAX_SECONDS = 900  # Lambda's own limit
# Lambda documents 10,240 and lets a young account have this much: "Member must have value less
# than or equal to 3008" (github.com/awslabs/genai-bedrock-agent-chatbot/issues/4, read 2026-11-28).
MAX_MEMORY_MB = 3008


@dataclass(frozen=True)
class Step:
    """A state's function; the module in `lambdas/` and the function carry the same verb phrase."""

    name: str  # "Check training", as in the console's graph
    permissions: Callable[[Access], Iterable[Permission]]  # logs and traces are added to them
    variables: type[Variables] = Variables
    memory_mb: int = 256
    disk_mb: int | None = None  # of /tmp; None: the 512 that every function has
    timeout_seconds: int = 60
    layers: tuple[str, ...] = ("core",)

    def __post_init__(self) -> None:
        if self.memory_mb > MAX_MEMORY_MB:
            raise ValueError(
                f"step {self.name!r} asks for {self.memory_mb} MB: a young account gives a "
                f"function at most {MAX_MEMORY_MB}"
            )

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
