"""Names of what an environment owns; each contains the environment's, so that two never collide."""

from __future__ import annotations

from dataclasses import dataclass

from lambdas.domain.run.names import PROJECT


@dataclass(frozen=True)
class Names:
    """What a console user searches for."""

    environment: str

    @property
    def state_machine(self) -> str:
        return f"{PROJECT}-{self.environment}"

    def of(self, what: str) -> str:
        return f"{PROJECT}-{self.environment}-{what}"

    def machine_arn(self, *, account: str, region: str, of: str | None = None) -> str:
        """Return the ARN of the machine called `of`; by default of the one that runs."""
        name = self.of(of) if of else self.state_machine
        return f"arn:aws:states:{region}:{account}:stateMachine:{name}"

    def bucket(self, *, account: str, region: str) -> str:
        return self.of(f"{account}-{region}")
