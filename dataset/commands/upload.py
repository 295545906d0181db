"""`python -m dataset upload`: a checked dataset, to the bucket of an environment."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from dataset.commands.findings_text import number, report_text, verdict_text
from dataset.commands.statuses import CANNOT_TELL, INVALID, VALID
from dataset.commands.validate import Commands, FileBars
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import find_model
from lambdas.domain.run.dataset_files import EVALUATION, TRAINING, VALIDATION
from lambdas.domain.run.execution_input import ExecutionInput, resolve
from lambdas.validation import FileSource, Options, Report, check
from lambdas.validation.workers import WorkerDied
from operate.deployed import Deployed, NotDeployed, find_deployed
from stacks.environment import Environment, load

_FAILURES = (
    NotDeployed,
    InputInvalid,
    ClientError,
    BotoCoreError,
    Boto3Error,
    OSError,
    WorkerDied,
)
_DESCRIPTION = """\
Check training.jsonl, validation.jsonl (where there is one) and evaluation.jsonl of FOLDER as a run
of the environment would, then put them under datasets/NAME/ of the environment's bucket. S3 gets a
SHA-256 of all it is sent and refuses what arrives otherwise; each file's own stands in its metadata
as sha256. A validation.jsonl that lies there from before and is not in FOLDER is removed."""
_EPILOG = """\
examples:
  python -m dataset upload --env dev build/prepared
  python -m dataset upload --env dev --name faq --model nova-lite build/prepared

exit status: 0 uploaded, 1 not valid and not uploaded, 2 it could not be (what to do is said)"""


def add_parser(commands: Commands) -> None:
    """Add `upload` to the commands of `python -m dataset`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "upload",
        help="put a checked dataset into an environment's bucket",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", type=Path, metavar="FOLDER")
    command.add_argument(
        "--env", required=True, metavar="ENV", help="as in environments/ENV.toml, and deployed"
    )
    command.add_argument("--name", metavar="NAME", help="default: the environment's own dataset")
    command.add_argument("--model", metavar="KEY", help="default: the environment's own model")
    command.add_argument("--force", action="store_true", help="upload even what is not valid")


def run(options: argparse.Namespace) -> int:
    """Check and upload; say what went where, and what to start a run with."""
    try:
        deployed = find_deployed(options.env)
        environment = load(options.env)
        start = _start_input(options, environment)
        run_input = resolve(start, environment.defaults)
        files = _files(options.folder)
        report = _checked(files, run_input, environment)
        print((verdict_text if report.valid else report_text)(report), file=sys.stderr)
        if not report.valid and not options.force:
            print("Not uploaded; --force uploads it nevertheless.", file=sys.stderr)
            return INVALID
        _upload(files, deployed, run_input.dataset)
    except _FAILURES as error:
        print(f"Cannot upload: {error}", file=sys.stderr)
        return CANNOT_TELL
    print(_how_to_start(start, deployed))
    return VALID


def _start_input(options: argparse.Namespace, environment: Environment) -> dict[str, str]:
    """Return the execution input that names this dataset, as short as the defaults allow."""
    wanted = {"model": options.model, "dataset": options.name}
    own = {name: getattr(environment.defaults, name) for name in wanted}
    return {name: value for name, value in wanted.items() if value and value != own[name]}


def _files(folder: Path) -> dict[str, Path]:
    files = {name: folder / name for name in (TRAINING, VALIDATION, EVALUATION)}
    for name in (TRAINING, EVALUATION):
        if not files[name].is_file():
            raise InputInvalid(f"there is no {files[name]}: python -m dataset prepare makes it")
    return {name: path for name, path in files.items() if path.is_file()}


def _checked(
    files: Mapping[str, Path], run_input: ExecutionInput, environment: Environment
) -> Report:
    sources = {name: FileSource(path, name) for name, path in files.items()}
    options = Options(
        system_prompt=run_input.system_prompt,
        fail_on=frozenset(environment.defaults.fail_on_warnings),
        workers=os.cpu_count() or 1,
    )
    with FileBars() as bars:
        return check(
            find_model(run_input.model),
            sources[TRAINING],
            sources.get(VALIDATION),
            sources[EVALUATION],
            options,
            bars.show,
        )


def _upload(files: Mapping[str, Path], deployed: Deployed, dataset: str) -> None:
    s3: Any = boto3.client("s3", region_name=deployed.region)
    for name, path in files.items():
        key = f"datasets/{dataset}/{name}"
        digest = _sha_256(path)
        # Of what is sent in several parts, S3 keeps a checksum of the parts' checksums only:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html, read 2026-11-23.
        s3.upload_file(
            str(path),
            deployed.bucket,
            key,
            ExtraArgs={
                "ChecksumAlgorithm": "SHA256",
                "ContentType": "application/x-ndjson",
                "Metadata": {"sha256": digest},
            },
        )
        size = number(path.stat().st_size, "byte")
        print(f"{path} → s3://{deployed.bucket}/{key} ({size}, SHA-256 {digest})", flush=True)
    if VALIDATION not in files:
        _remove_old_validation(s3, deployed.bucket, f"datasets/{dataset}/{VALIDATION}")


def _sha_256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_old_validation(s3: Any, bucket: str, key: str) -> None:  # noqa: ANN401  # boto3
    """Remove the validation set of an earlier dataset, which would become part of this one."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    if any(each["Key"] == key for each in found):
        s3.delete_object(Bucket=bucket, Key=key)
        print(f"Removed s3://{bucket}/{key}: this dataset has none.")


def _how_to_start(start: Mapping[str, str], deployed: Deployed) -> str:
    text = json.dumps(start)
    lines = [f"Start execution with {text}"]
    if "StateMachineArn" in deployed.outputs:
        lines.append(
            f"  aws stepfunctions start-execution --region {deployed.region} --state-machine-arn "
            f"{deployed.state_machine_arn} --input {shlex.quote(text)}"
        )
    return "\n".join(lines)
