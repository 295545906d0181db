"""Every state machine of every environment is one that Step Functions creates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.states.definition import problems
from local.states.expressions import Expressions
from tests.stacks.asl import all_definitions


def test_definitions(stacks: Mapping[str, dict[str, Any]]) -> None:
    expressions = Expressions()
    found = {
        name: problems(json.dumps(definition), expressions)
        for name, definition in all_definitions(stacks).items()
    }
    expressions.stop()
    assert not any(found.values()), found
    assert len(found) >= 4
