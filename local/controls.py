"""Control routes of the offline AWS: inspect Bedrock, inject faults, advance time.

- `GET /_offline/bedrock`: jobs, models, throughputs, deployments and the billing meter, as JSON
- `PUT /_offline/scenario`: quotas, lifecycle and faults from now on (`local.bedrock.Scenario`)
- `POST /_offline/redeploy`: delete everything, then deploy the `local` environment again
- `POST /_offline/advance` with `{"seconds": 3600}`: let simulated time pass
- `POST /_offline/sleep` with `{"process": 4711, "seconds": 2}`: returns when that time has passed,
  and says how many seconds the function that asked has left of its limit
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from local.bedrock import Bedrock, Scenario
from local.clock import SimulatedClock, iso
from local.functions.processes import Functions

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]
_PREFIX = "/_offline/"


class Controlled(Protocol):
    """The offline AWS, as far as these routes act on it."""

    clock: SimulatedClock
    bedrock: Bedrock
    functions: Functions
    redeploy: Callable[[], None]

    def reset(self) -> None: ...


def controls(app: Asgi, offline: Controlled) -> Asgi:
    """Answer the routes of this module, and pass every other request to `app`."""

    async def route(scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401  # ASGI's own
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await app(scope, receive, send)
            return
        body = (await receive()).get("body", b"")
        answer = await asyncio.to_thread(
            _act, offline, scope["method"], scope["path"].removeprefix(_PREFIX), body
        )
        status = 404 if answer is None else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    return route


def _act(offline: Controlled, method: str, route: str, body: bytes) -> dict[str, Any] | None:
    if (method, route) == ("GET", "bedrock"):
        return offline.bedrock.snapshot()
    if (method, route) == ("PUT", "scenario"):
        offline.bedrock.scenario = Scenario.from_json(body.decode())
        return {}
    if (method, route) == ("POST", "redeploy"):
        offline.reset()
        offline.redeploy()
        return {}
    if (method, route) == ("POST", "advance"):
        offline.clock.advance(float(json.loads(body)["seconds"]))
        return {"now": iso(offline.clock.time())}
    if (method, route) == ("POST", "sleep"):
        asked = json.loads(body)
        left = offline.functions.sleep(asked["process"], float(asked["seconds"]))
        return {"seconds_left": left}
    return None
