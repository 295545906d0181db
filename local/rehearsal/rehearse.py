"""`make rehearse`: a complete run, offline, from `cdk deploy` to the verdict.

Usage: python -m local.rehearsal.rehearse [--env NAME] [--dataset SOURCE] [--input JSON-OR-FILE]
[--approve yes|no] [--wait-minutes N] [OPTIONS]
OPTIONS are those of `python -m dataset prepare`, such as --prompt-key and --split.
Exit status: 0 the execution succeeded and nothing is left running; 1 it did not, or would not take
the dataset; 2 bad usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import boto3

from dataset.commands.prepare import (
    Prepared,
    PrepareOptions,
    add_conversion_arguments,
    checks_of_run,
    conversion_options,
    prepare,
    print_notes,
)
from dataset.commands.report_text import report_text
from dataset.sources.files import SourceInvalid
from exit_codes import ExitCode
from lambdas.domain.cost.actuals import Bill
from lambdas.domain.cost.quote import dollars
from lambdas.domain.cost.worth import Offer, line
from lambdas.domain.errors import InputInvalid
from lambdas.domain.evaluation.metrics import METRICS, told
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from lambdas.domain.run.contracts import MetricFigures, VerdictToTell
from lambdas.domain.run.execution_input import ExecutionInput, resolve
from lambdas.domain.run.names import names_of
from local.bedrock import Scenario
from local.rehearsal.attendance import Attendance
from local.rehearsal.banner import banner
from local.rehearsal.decision import Answer, Decision
from local.rehearsal.deployment import (
    ROOT,
    DeploymentFailed,
    bootstrap,
    deploy,
    synthesising,
    upload,
    upload_weights,
)
from local.rehearsal.hold import Hold, KeptDeployment
from local.rehearsal.mails import Inbox
from local.rehearsal.progress import ExecutionProgress
from local.rehearsal.second_terminal import SecondTerminal
from local.server import OfflineAws
from operate.deployed import Deployed
from stacks.environment import Environment, EnvironmentInvalid, load
from stacks.names import Names

REGION = "us-west-2"  # environments/local.toml
RUNS = ROOT / "rehearsals"
_POLL_SECONDS = 0.25
_WAIT_MINUTES = 5.0
_GUARD_SECONDS = 60


class RehearsalInvalid(ValueError):
    """The execution input is neither a JSON object nor a file with one, or needs earlier runs."""


class DatasetRefused(ValueError):
    """A run of the environment would refuse the dataset; the message has the findings."""


@dataclass(frozen=True)
class Play:
    """What is rehearsed, and what is done where a run waits for a person."""

    environment: Environment
    execution_input: dict[str, Any]
    settings: ExecutionInput
    answer: Answer | None
    wait_minutes: float

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """Read a command line.

        Raises
        ------
        EnvironmentInvalid, RehearsalInvalid, InputInvalid
            No such environment, no such file, earlier runs, or what *Check preflight* refuses.
        """
        environment = load(options.env)
        execution_input = read_input(options.input)
        settings = resolve(execution_input, environment.defaults)
        for name in ("tuned_by_run", "answers_of_run"):
            if getattr(settings, name):
                raise RehearsalInvalid(
                    f"{name} names an earlier run, and a rehearsal begins without any: keep an "
                    'offline AWS with eval "$(.venv/bin/python -m local up)", and start both runs '
                    "there with aws stepfunctions start-execution"
                )
        answers: dict[str, Answer] = {"yes": "approve", "no": "reject"}
        answer = answers.get(options.approve)
        return cls(environment, execution_input, settings, answer, options.wait_minutes)


@dataclass(frozen=True)
class Ended:
    """How the execution ended."""

    run: str
    status: str
    error: str | None
    cause: str | None
    simulated_seconds: float
    answering_seconds: float  # in *Answer with tuned model*


def main(arguments: list[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(prog="make rehearse", description=__doc__)
    parser.add_argument("--env", default="local", metavar="NAME")
    parser.add_argument("--dataset", default=str(ROOT / "dataset"), metavar="SOURCE")
    parser.add_argument("--input", default="{}", metavar="JSON-OR-FILE")
    parser.add_argument(
        "--approve",
        choices=["yes", "no"],
        help="the decision on a quote that waits for one; else somebody takes it, or nobody",
    )
    parser.add_argument(
        "--wait-minutes",
        type=float,
        default=_WAIT_MINUTES,
        metavar="N",
        help="of real time for a person, before the simulated clock moves on; default: %(default)s",
    )
    add_conversion_arguments(parser)
    options = parser.parse_args(arguments)
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(ending, signal.default_int_handler)
    try:
        play = Play.of(options)
        return rehearse(play, options.dataset, conversion_options(options, options.dataset))
    except (EnvironmentInvalid, RehearsalInvalid, SourceInvalid, InputInvalid) as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.ERROR
    except (DatasetRefused, DeploymentFailed) as error:
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


def rehearse(play: Play, dataset: str, conversion: PrepareOptions) -> ExitCode:
    """Run one execution and print it; return the exit status."""
    began = time.monotonic()
    environment = play.environment
    print(banner(environment), flush=True)
    with synthesising(environment.name) as assembly, tempfile.TemporaryDirectory() as scratch:
        prepared = _prepare(play, dataset, Path(scratch), conversion)
        offline = OfflineAws(region=environment.region)
        try:
            deployed = _deploy(environment, offline, assembly)
            upload(Path(scratch), deployed.bucket, play.settings.dataset)
            if weights := environment.similarity.weights:
                upload_weights(weights, deployed.bucket)
            offline.enforce_iam(on=True)  # a missing permission shows here, not on AWS
            print(f"Deployed environment {environment.name}; uploaded {prepared}.")
            print(f"Set up in {time.monotonic() - began:.0f} s.\n", flush=True)
            status = _play(play, offline, deployed)
            print(f"Wall clock: {time.monotonic() - began:.0f} s.")
            return status
        finally:
            offline.stop()


def _deploy(
    environment: Environment, offline: OfflineAws, assembly: Callable[[], Path]
) -> Deployed:
    offline.start()
    offline.bedrock.scenario = Scenario(cloudtrail=True)  # `bootstrap` creates the trail
    bootstrap(environment.offline().permissions_boundary)
    return deploy(environment.name, assembly=assembly())


def _prepare(play: Play, dataset: str, folder: Path, conversion: PrepareOptions) -> Prepared:
    """Convert the dataset and check it as the run will, before anything is deployed."""
    checks = checks_of_run(play.settings, play.environment.defaults)
    model = find_model(play.settings.model)
    prepared = prepare(dataset, folder, model, replace(conversion, checks=checks))
    print_notes(prepared)
    found = report_text(prepared.report)
    if not prepared.valid:
        raise DatasetRefused(f"{found}\nNothing was deployed.")
    if prepared.report.findings.kept:
        print(f"{found}\n", file=sys.stderr)
    return prepared


def _play(play: Play, offline: OfflineAws, deployed: Deployed) -> ExitCode:
    ended = _execute(play, offline, deployed)
    folder = RUNS / ended.run
    download_run(deployed.bucket, folder)
    hosting = _hosting(folder)
    kept = KeptDeployment.of(hosting)
    left = [arn for arn in offline.bedrock.alive() if kept is None or arn != kept.arn]
    meter = offline.bedrock.snapshot()["meter"]
    print(summary(ended, folder, meter, left))
    if hosting.get("kind") == "provisioned":
        idle = idle_minutes(meter, folder, ended, offline.bedrock.scenario)
        print(f"Throughput billed while idle: {idle:.2f} min.")
    print(afterwards(hosting), end="")
    gone = kept is None or kept.attend(
        offline.bedrock.alive,
        clock=offline.clock,
        terminal=SecondTerminal(offline.endpoint, offline.region),
        wait_minutes=play.wait_minutes,
        reap_every_minutes=play.environment.spending.reap_every_minutes,
    )
    ended_well = ended.status == "SUCCEEDED" and not left and gone
    return ExitCode.OK if ended_well else ExitCode.FAILED


def _execute(play: Play, offline: OfflineAws, deployed: Deployed) -> Ended:
    states: Any = boto3.client("stepfunctions")
    machine, name = deployed.state_machine_arn, str(uuid.uuid4())  # as the console proposes
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    run = names_of(deployed.name, name, arn).run
    history: list[dict[str, Any]] = []
    with ExecutionProgress() as progress:
        attendance = _attendance(play, offline, deployed, progress, RUNS / run / "mails")
        with offline.executions.watching(attendance.hold.enter):
            given = json.dumps(play.execution_input)
            states.start_execution(stateMachineArn=machine, name=name, input=given)
            for events in _new_events(states, arn):
                attendance.attend(events)
                history += events
            attendance.hold.let_go()
        described = states.describe_execution(executionArn=arn)
        if described["status"] != "SUCCEEDED":
            _let_the_guard_end(states, deployed)
            attendance.read_mails()
    return Ended(
        run=run,
        status=described["status"],
        error=described.get("error"),
        cause=described.get("cause"),
        simulated_seconds=(described["stopDate"] - described["startDate"]).total_seconds(),
        answering_seconds=_seconds_in("Answer with tuned model", history),
    )


def _attendance(
    play: Play,
    offline: OfflineAws,
    deployed: Deployed,
    progress: ExecutionProgress,
    folder: Path,
) -> Attendance:
    clock, terminal = offline.clock, SecondTerminal(offline.endpoint, offline.region)
    decision = Decision(
        progress,
        clock=clock,
        terminal=terminal,
        machine_arn=deployed.output("DecideSpendArn"),
        answer=play.answer,
        wait_minutes=play.wait_minutes,
        approval_hours=play.environment.defaults.approval_hours,
    )
    hold = Hold(progress, clock=clock, terminal=terminal, wait_minutes=play.wait_minutes)
    return Attendance(progress, Inbox(deployed.output("TopicArn"), folder), decision, hold)


def _let_the_guard_end(states: Any, deployed: Deployed) -> None:  # noqa: ANN401  # a boto3 client
    """Wait for what the abnormal end of a run starts: what it leaves counts, and what it mails."""
    names = Names(deployed.name)
    guard = names.machine_arn(account=OFFLINE_ACCOUNT, region=deployed.region, of="guard")
    deadline = time.monotonic() + _GUARD_SECONDS
    while time.monotonic() < deadline:
        found = states.list_executions(stateMachineArn=guard)["executions"]
        if found and all(each["status"] != "RUNNING" for each in found):
            return
        time.sleep(_POLL_SECONDS)


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
    used = scenario.provisioning_minutes + ended.answering_seconds / 60
    hold = _read(folder, "manifest")["run"]["settings"]["hold_minutes"]
    return float(meter["throughput_minutes"] - used - hold)


def _new_events(states: Any, arn: str) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401  # a boto3 client
    seen, running = 0, True
    while running:
        running = states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        events = events_after(states, arn, seen)
        yield events
        seen += len(events)
        if running:
            time.sleep(_POLL_SECONDS)


def events_after(states: Any, arn: str, seen: int) -> list[dict[str, Any]]:  # noqa: ANN401  # same
    """Return the events after the first `seen`: read from the end, for most are known.

    Pages of a history that grows meanwhile overlap.
    """
    events: dict[int, dict[str, Any]] = {}
    history = states.get_paginator("get_execution_history")
    for page in history.paginate(executionArn=arn, reverseOrder=True, maxResults=50):
        events |= {event["id"]: event for event in page["events"] if event["id"] > seen}
        if page["events"][-1]["id"] <= seen:
            break
    return [events[each] for each in sorted(events)]


def download_run(bucket: str, folder: Path) -> None:
    """Download what the run called as the folder wrote under its prefix.

    What a state kept one by one, of many questions tens of thousands, is in its JSONL file, too.
    """
    s3: Any = boto3.client("s3")
    prefix = f"runs/{folder.name}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = {item["Key"] for page in pages for item in page.get("Contents", [])}
    for key in (each for each in keys if f"{each.rpartition('/')[0]}.jsonl" not in keys):
        target = folder / key.removeprefix(prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))


def summary(ended: Ended, folder: Path, meter: dict[str, Any], left: list[str]) -> str:
    """Return how it ended, with the figures a person looks for first."""
    lines = ["", *_outcome(ended, folder), *_bill(meter)]
    lines += [f"STILL RUNNING: {arn}" for arn in left] or ["Still running: nothing."]
    report = folder / "report.html"
    lines += [f"Report:  {os.path.relpath(report)}"] if ended.status == "SUCCEEDED" else []
    lines += [f"Files:   {os.path.relpath(folder)}/"] if folder.exists() else []
    hours, minutes = divmod(round(ended.simulated_seconds / 60), 60)
    lines += [f"A real run would have taken {hours} h {minutes:02} min."]
    return "\n".join(lines)


def _hosting(folder: Path) -> dict[str, Any]:
    """Return what the run's manifest has of its hosting; nothing of a run that failed."""
    there = (folder / "manifest.json").exists()
    return (_read(folder, "manifest").get("hosting") if there else None) or {}


def afterwards(hosting: dict[str, Any]) -> str:
    """Return what can be done with the model now; "" if nothing."""
    text = hosting.get("afterwards")
    return f"\n{text}\n\n" if text else ""


def _read(folder: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return read


def _outcome(ended: Ended, folder: Path) -> list[str]:
    if ended.status != "SUCCEEDED":
        advice = "What each error means: docs/runbook.md"
        cost = [f"Cost:    {_cost(folder)}"] if (folder / "cost.json").exists() else []
        how = f"Execution {ended.status}"  # after a time-out AWS tells no error
        why = f"{how}: {ended.error}" if ended.error else f"{how}."
        causes = [ended.cause] if ended.cause else []
        return [why, *causes, advice, *cost, ""]
    verdict = _read(folder, "verdict")
    qualified = VerdictToTell.model_validate(verdict).is_qualified
    said = str(verdict["verdict"]).upper() + ", WITH RESERVATIONS" * qualified
    general = verdict["forgetting"]
    return [
        f"Verdict: {said}. {verdict['sentence']}",
        f"         {verdict['reason']}",
        *([f"         General questions: {general['reason']}"] if general else []),
        *(f"         {each}" for each in verdict["caveats"]),
        *(f"         {told(MetricFigures.model_validate(each))}" for each in verdict["others"]),
        *(f"Beside:  {each}" for each in verdict["alternatives"]),
        f"Worth:   {_worth(folder)}",
        f"Losses:  {_read(folder, 'losses')['verdict']}",
        f"Cost:    {_cost(folder)}",
        "",
    ]


def _worth(folder: Path) -> str:
    manifest = _read(folder, "manifest")
    return line([*map(Offer.model_validate, manifest["offers"])], METRICS[manifest["metric"]])


def _cost(folder: Path) -> str:
    quote, bill = _read(folder, "quote"), Bill.model_validate(_read(folder, "cost"))
    return (
        f"{bill} by the price book; quoted {dollars(quote['expected_usd'])}, "
        f"at most {dollars(quote['high_usd'])}"
    )


def _bill(meter: dict[str, Any]) -> list[str]:
    lines = [f"The emulator's own meter: {dollars(meter['total_usd'])}"]
    for item in meter["items"]:
        usd = "not priced by the emulator" if item["usd"] is None else dollars(item["usd"])
        lines.append(f"  {item['what']}: {item['quantity']:,} {item['unit']}, {usd}")
    return [*lines, ""]


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the server's threads have nothing left to do
