"""Names of what an environment owns; each carries the environment, so that two never collide."""

from __future__ import annotations

from dataclasses import dataclass

PROJECT = "bedrock-tuning"
ENVIRONMENT_TAG = f"{PROJECT}:environment"


@dataclass(frozen=True)
class Names:
    """What a console user searches for."""

    environment: str

    @property
    def state_machine(self) -> str:
        return f"{PROJECT}-{self.environment}"

    def of(self, what: str) -> str:
        return f"{PROJECT}-{self.environment}-{what}"

    def bucket(self, *, account: str, region: str) -> str:
        return self.of(f"{account}-{region}")
