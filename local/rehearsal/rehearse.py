"""`make rehearse`: a complete run, offline, from `cdk deploy` to the verdict.

Usage: python -m local.rehearsal.rehearse [--dataset SOURCE] [--input JSON-OR-FILE] [OPTIONS]
OPTIONS are those of `python -m dataset prepare`, such as --prompt-key and --split.
Exit status: 0 the execution succeeded and nothing is left running; 1 it did not; 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from dataset.commands.prepare import (
    PrepareOptions,
    add_conversion_arguments,
    conversion_options,
    prepare,
    print_notes,
)
from dataset.sources.files import SourceInvalid
from exit_codes import ExitCode
from lambdas.domain.cost.actuals import Bill
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.lookup import find_model
from lambdas.domain.models.model import Model
from lambdas.domain.run.execution_input import resolve
from local.bedrock import Scenario
from local.rehearsal.deployment import ROOT, DeploymentFailed, bootstrap, deploy, upload
from local.rehearsal.progress import ExecutionProgress
from local.server import OfflineAws
from operate.deployed import Deployed
from stacks.environment import load

REGION = "us-west-2"  # environments/local.toml
BANNER = (
    "REHEARSAL: offline, in simulated time. It touches no AWS account and buys nothing;\n"
    "models, answers and scores come from a small Bedrock emulator on this machine."
)
_POLL_SECONDS = 0.1


class RehearsalInvalid(ValueError):
    """The execution input is neither a JSON object nor a file with one."""


@dataclass(frozen=True)
class Ended:
    """How the execution ended."""

    name: str
    status: str
    error: str | None
    cause: str | None
    simulated_seconds: float
    answering_seconds: float  # in *Answer with tuned model*


def main(arguments: list[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make rehearse", description=__doc__)
    parser.add_argument("--dataset", default=str(ROOT / "dataset"), metavar="SOURCE")
    parser.add_argument("--input", default="{}", metavar="JSON-OR-FILE")
    add_conversion_arguments(parser)
    options = parser.parse_args(arguments)
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(ending, signal.default_int_handler)
    try:
        settings = conversion_options(options, options.dataset)
        return rehearse(options.dataset, read_input(options.input), settings)
    except (RehearsalInvalid, SourceInvalid, InputInvalid) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    except DeploymentFailed as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        print("\nInterrupted; the offline AWS and everything in it is gone.", file=sys.stderr)
        return ExitCode.INTERRUPTED


def read_input(text: str) -> dict[str, Any]:
    """Parse the execution input, given as JSON or as a file that holds it.

    Raises
    ------
    RehearsalInvalid
        It is neither, or not a JSON object.
    """
    source = Path(text)
    if not text.lstrip().startswith("{"):
        if not source.is_file():
            raise RehearsalInvalid(f"INPUT is neither a JSON object nor a file: {text}")
        text = source.read_text(encoding="utf-8")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RehearsalInvalid(f"INPUT is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RehearsalInvalid(f"INPUT is not a JSON object, but {type(value).__name__}")
    return value


def rehearse(dataset: str, execution_input: dict[str, Any], settings: PrepareOptions) -> ExitCode:
    """Run one execution and print it; return the exit status."""
    if execution_input.get("require_approval"):
        raise RehearsalInvalid(
            "require_approval: nobody can decide within this command. Leave it out, or keep an "
            "offline AWS with python -m local up, and start the run and its decision there"
        )
    began = time.monotonic()
    print(BANNER, flush=True)
    model = tuned_model(execution_input)
    offline = OfflineAws(region=REGION)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prepared = prepare(dataset, Path(scratch), model, settings)
            print_notes(prepared)
            offline.start()
            bootstrap()
            deployed = deploy()
            upload(Path(scratch), deployed.bucket)
        offline.enforce_iam(on=True)  # a missing permission shows here, not on AWS
        print(f"Deployed environment local; uploaded {prepared}.")
        print(f"Set up in {time.monotonic() - began:.0f} s.\n", flush=True)
        ended = _execute(deployed, execution_input)
        folder = download_run(deployed.bucket, ROOT / "rehearsals")
        left = offline.bedrock.alive()
        meter = offline.bedrock.snapshot()["meter"]
        print(summary(ended, folder, meter, left))
        if ended.status == "SUCCEEDED" and folder:
            idle = idle_minutes(meter, folder, ended, offline.bedrock.scenario)
            print(f"Throughput billed while idle: {idle:.2f} min.")
        print(f"Wall clock: {time.monotonic() - began:.0f} s.")
        return ExitCode.OK if ended.status == "SUCCEEDED" and not left else ExitCode.FAILED
    finally:
        offline.stop()


def tuned_model(execution_input: dict[str, Any]) -> Model:
    """Return the model that the execution tunes, or raise InputInvalid before anything starts."""
    return find_model(resolve(execution_input, load("local").defaults).model)


def _execute(deployed: Deployed, execution_input: dict[str, Any]) -> Ended:
    states: Any = boto3.client("stepfunctions")
    arn = states.start_execution(
        stateMachineArn=deployed.state_machine_arn, input=json.dumps(execution_input)
    )["executionArn"]
    history: list[dict[str, Any]] = []
    with ExecutionProgress() as progress:
        for events in _new_events(states, arn):
            progress.show(events)
            history += events
    described = states.describe_execution(executionArn=arn)
    return Ended(
        name=described["name"],
        status=described["status"],
        error=described.get("error"),
        cause=described.get("cause"),
        simulated_seconds=(described["stopDate"] - described["startDate"]).total_seconds(),
        answering_seconds=_seconds_in("Answer with tuned model", history),
    )


def _seconds_in(name: str, history: list[dict[str, Any]]) -> float:
    times = [
        event["timestamp"]
        for event in history
        for details in ("stateEnteredEventDetails", "stateExitedEventDetails")
        if event.get(details, {}).get("name") == name
    ]
    return float((times[-1] - times[0]).total_seconds()) if times else 0.0


def idle_minutes(meter: dict[str, Any], folder: Path, ended: Ended, scenario: Scenario) -> float:
    """Return how long the throughput billed beyond provisioning, answering and hold."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    used = scenario.provisioning_minutes + ended.answering_seconds / 60
    return float(meter["throughput_minutes"] - used - manifest["run"]["settings"]["hold_minutes"])


def _new_events(states: Any, arn: str) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401  # a boto3 client
    seen, running = 0, True
    while running:
        running = states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        yield events[seen:]
        seen = len(events)
        if running:
            time.sleep(_POLL_SECONDS)


def download_run(bucket: str, folder: Path) -> Path | None:
    """Download what the run wrote under its prefix to `folder/<run>/`."""
    s3: Any = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/")
    run: Path | None = None
    for key in (item["Key"] for page in pages for item in page.get("Contents", [])):
        target = folder / key.removeprefix("runs/")
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
        run = folder / Path(key).parts[1]
    return run


def summary(ended: Ended, folder: Path | None, meter: dict[str, Any], left: list[str]) -> str:
    """Return how it ended, with the figures a person looks for first."""
    lines = ["", *_outcome(ended, folder), *_bill(meter)]
    lines += [f"STILL RUNNING: {arn}" for arn in left] or ["Still running: nothing."]
    if folder:
        lines += [f"Report:  {_shown(folder / 'report.html')}"] if ended.error is None else []
        lines += [f"Files:   {_shown(folder)}/"]
    hours, minutes = divmod(round(ended.simulated_seconds / 60), 60)
    lines += [f"A real run would have taken {hours} h {minutes:02} min."]
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _outcome(ended: Ended, folder: Path | None) -> list[str]:
    if ended.status != "SUCCEEDED" or folder is None:
        advice = "What each error means: docs/runbook.md"
        cost = [f"Cost:    {_cost(folder)}"] if folder and (folder / "cost.json").exists() else []
        return [f"Execution {ended.status}: {ended.error}", f"{ended.cause}", advice, *cost, ""]
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    losses = json.loads((folder / "losses.json").read_text(encoding="utf-8"))
    return [
        f"Verdict: {str(verdict['verdict']).upper()}",
        f"         {verdict['reason']}",
        f"Losses:  {losses['verdict']}",
        f"Cost:    {_cost(folder)}",
        "",
    ]


def _cost(folder: Path) -> str:
    quote = json.loads((folder / "quote.json").read_text(encoding="utf-8"))
    bill = Bill.model_validate_json((folder / "cost.json").read_text(encoding="utf-8"))
    return (
        f"{bill} by the price book; quoted ${quote['expected_usd']:,.2f}, "
        f"at most ${quote['high_usd']:,.2f}"
    )


def _bill(meter: dict[str, Any]) -> list[str]:
    lines = [f"The emulator's own meter: ${meter['total_usd']:,.2f}"]
    for item in meter["items"]:
        usd = "not priced by the emulator" if item["usd"] is None else f"${item['usd']:,.2f}"
        lines.append(f"  {item['what']}: {item['quantity']:,} {item['unit']}, {usd}")
    return [*lines, ""]


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the server's threads have nothing left to do
