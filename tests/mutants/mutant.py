"""A mutant: one line of the product, as it stands and broken, and the tests that must notice."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


class MutantOutdated(ValueError):
    """The mutant's line is not in its file exactly once, or its fault is a syntax error."""


@dataclass(frozen=True)
class Mutant:
    """One fault; `mutated` may be "", which removes the line."""

    area: str
    fault: str
    file: str
    line: str
    mutated: str
    tests: list[str]

    def apply(self, text: str) -> str:
        """Return the file's text with the line broken.

        Raises
        ------
        MutantOutdated
            Says which line is missing or doubled.
        """
        lines = text.splitlines(keepends=True)
        places = [at for at, line in enumerate(lines) if line.strip() == self.line]
        if len(places) != 1:
            raise MutantOutdated(
                f"{self.file} has the line {self.line!r} {len(places)} times, not once: bring the "
                f"mutant {self.fault!r} in tests/mutants/mutants.toml up to date"
            )
        lines[places[0]] = lines[places[0]].replace(self.line, self.mutated)
        mutated = "".join(lines)
        try:
            compile(mutated, self.file, "exec")
        except SyntaxError as error:
            raise MutantOutdated(f"{self.fault!r} is no Python: {error}") from error
        return mutated


def load(path: Path) -> list[Mutant]:
    return [Mutant(**each) for each in tomllib.loads(path.read_text())["mutants"]]
