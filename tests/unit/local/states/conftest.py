from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.states.expressions import Expressions
from tests.fakes.states_world import Simulation


@pytest.fixture(scope="session")
def expressions() -> Iterator[Expressions]:
    engine = Expressions()
    yield engine
    engine.stop()


@pytest.fixture
def simulation(expressions: Expressions) -> Iterator[Simulation]:
    found = Simulation(expressions)
    yield found
    found.clock.stop()
