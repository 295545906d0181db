"""`python -m local up | down | reset | env`: the offline AWS, left running for any client.

Exit status: 0 done; 2 bad usage, it did not start, or it is not running.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any

from exit_codes import ExitCode
from local.environment import offline_variables
from local.rehearsal.deployment import ROOT, bootstrap, deploy, upload_converted
from local.rehearsal.rehearse import REGION
from local.server import OfflineAws
from stacks.environment import load

STATE = ROOT / "build" / "offline-aws.json"
LOG = ROOT / "build" / "offline-aws.log"
_START_SECONDS = 180
_PACE = 600.0  # ten minutes a second: people and their tools can follow


@dataclass(frozen=True)
class Running:
    """The server that `up` started."""

    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_offline/bedrock", timeout=5) as answer:  # noqa: S310  # our own loopback address
                return bool(answer.status == 200)  # noqa: PLR2004  # an HTTP status
        except (urllib.error.URLError, OSError):
            return False


def main(arguments: list[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it, deploy `local` into it, print its variables")
    commands.add_parser("down", help="stop it and everything in it")
    commands.add_parser("reset", help="delete everything and deploy `local` again")
    commands.add_parser("env", help="print the variables that point a client at it")
    commands.add_parser("serve", help="run it in the foreground (what `up` starts)")
    chosen = parser.parse_args(arguments).command
    return {"up": up, "down": down, "reset": reset, "env": print_variables, "serve": serve}[
        chosen
    ]()


def up() -> ExitCode:
    if running():
        print("Already running.", file=sys.stderr)
        return print_variables()
    STATE.parent.mkdir(exist_ok=True)
    STATE.unlink(missing_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "local", "serve"],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not running():
        if server.poll() is not None or time.monotonic() > deadline:
            print(f"The offline AWS did not start; see {LOG}", file=sys.stderr)
            return ExitCode.ERROR
        time.sleep(0.2)
    return print_variables()


def down() -> ExitCode:
    server = running()
    if server is None:
        print("Not running.", file=sys.stderr)
        return ExitCode.OK
    os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while server.answers() and time.monotonic() < deadline:
        time.sleep(0.1)
    STATE.unlink(missing_ok=True)
    print("Stopped.", file=sys.stderr)
    return ExitCode.OK


def reset() -> ExitCode:
    server = running()
    if server is None:
        print("Not running; start it with: python -m local up", file=sys.stderr)
        return ExitCode.ERROR
    request = urllib.request.Request(f"{server.endpoint}/_offline/redeploy", method="POST")  # noqa: S310  # our own loopback address
    with urllib.request.urlopen(request, timeout=_START_SECONDS):  # noqa: S310  # same
        print("Reset: everything deleted, `local` deployed again.", file=sys.stderr)
    return ExitCode.OK


def print_variables() -> ExitCode:
    """Print `export` lines, for `eval "$(python -m local up)"`."""
    server = running()
    if server is None:
        print("Not running; start it with: python -m local up", file=sys.stderr)
        return ExitCode.ERROR
    for name, value in offline_variables(server.endpoint, REGION).items():
        print(f"export {name}={value}")
    return ExitCode.OK


def running() -> Running | None:
    """Return the server that `up` started, if it answers."""
    if not STATE.is_file():
        return None
    state: dict[str, Any] = json.loads(STATE.read_text(encoding="utf-8"))
    server = Running(**state)
    return server if server.answers() else None


def serve() -> ExitCode:
    """Serve until SIGTERM; the state file appears once `local` is deployed."""
    offline = OfflineAws(region=REGION, pace=_PACE)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.OK))
    try:
        offline.start()
        offline.redeploy = _deploy_local
        _deploy_local()
        state = Running(os.getpid(), offline.port)
        STATE.write_text(json.dumps(asdict(state)), encoding="utf-8")
        signal.pause()
    finally:
        offline.stop()
    return ExitCode.OK


def _deploy_local() -> None:
    bootstrap()
    upload_converted(ROOT / "dataset", deploy().bucket, load("local").defaults.model)


if __name__ == "__main__":
    sys.exit(main())
