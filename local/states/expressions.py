"""JSONata as Step Functions evaluates it: the reference implementation, in a Node process.

Step Functions has JSONata 2.0.6, without $eval and with functions of its own, of which $parse is
played; the others, and what is random, are refused by name. Source, read 2026-11-29:
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import json
import select
import subprocess
import threading
from pathlib import Path
from typing import IO, Any, cast

Json = Any  # any value of JSON
_ENGINE = Path(__file__).resolve().with_name("engine.js")
_PATIENCE_SECONDS = 10  # of a loaded machine; AWS is less patient


class ExpressionFailed(Exception):
    """The expression of a field fails; `where` is like "Output/a[1]", the message is AWS's."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.where = where


class Expressions:
    """Evaluates templates, for one caller after the other; `stop` ends its process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # a definition may be checked while executions run

    def fill(self, template: Json, variables: dict[str, Json], *, now: float, where: str) -> Json:
        """Return the template with each "{% expression %}" in it replaced by its value.

        `variables` are named without "$"; `now`, in epoch seconds, is what `$now()` tells; `where`
        is the field that the template stands in. Raises `ExpressionFailed`.
        """
        if "{%" not in json.dumps(template):
            return template
        request = {"template": template, "variables": variables, "now": round(now * 1000)}
        answer = self._ask({**request, "where": where})
        if "refused" in answer:
            raise ExpressionFailed(answer["refused"], answer.get("where", where))
        return answer["value"]

    def problem(self, expression: str) -> str | None:
        """Return why an expression is refused, such as "S0211: ..."; None if it is not."""
        found: str | None = self._ask({"check": expression}).get("refused")
        return found

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, request: Json) -> Json:
        with self._lock:
            if self._process is None:
                pipe = subprocess.PIPE
                self._process = subprocess.Popen(["node", _ENGINE], stdin=pipe, stdout=pipe)
            given, told = cast("tuple[IO[bytes], ...]", (self._process.stdin, self._process.stdout))
            given.write(json.dumps(request).encode() + b"\n")
            given.flush()
            answered, _, _ = select.select([told], [], [], _PATIENCE_SECONDS)
            if not answered:
                self.stop()
                return {"refused": f"no value within {_PATIENCE_SECONDS} seconds"}
            return json.loads(told.readline())
