"""Put a checked dataset into the bucket of a deployed environment.

SOURCE is what `prepare` takes: a folder that it wrote, which is uploaded as it is, or data of any
kind, which is converted and split first, with the same options. It is checked as a run of the
environment would check it, then stored under datasets/NAME/ of its bucket. S3 verifies the SHA-256
of what it receives; each file's own SHA-256 is kept in its metadata as sha256. If SOURCE has no
validation data, general questions or answer.schema.json, those of an earlier upload are removed.

For example:
  python -m dataset upload --env dev build/prepared
  python -m dataset upload --env dev --name faq --model nova-lite faq.xlsx

Exit status: 0 uploaded, 1 not uploaded because it is not valid, 2 not uploaded for another reason
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3

from dataset.commands.prepare import (
    add_conversion_arguments,
    checks_of_run,
    conversion_options,
    prepare,
    print_notes,
)
from dataset.commands.report_text import report_text, verdict_text
from exit_codes import ExitCode
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.dataset_files import FILE_NAMES, REQUIRED, dataset_prefix
from lambdas.domain.run.execution_input import resolve
from lambdas.validation.jsonl.display import quantity
from operate.deployed import Deployed, find_deployed
from stacks.environment import Environment, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a folder, a file, s3://… or -")
    parser.add_argument("--env", required=True, metavar="ENV", help="of environments/ENV.toml")
    parser.add_argument("--name", metavar="NAME", help="default: the environment's default dataset")
    parser.add_argument("--model", metavar="KEY", help="default: the environment's default model")
    parser.add_argument("--force", action="store_true", help="upload even an invalid dataset")
    add_conversion_arguments(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Prepare and upload; print what went where, and the input of a run with it."""
    environment = load(options.env)
    start = _start_input(options, environment)
    run_input = resolve(start, environment.defaults)
    checks = checks_of_run(run_input, environment.defaults)
    settings = replace(conversion_options(options, options.source), checks=checks)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare(options.source, Path(scratch), find_model(run_input.model), settings)
        print_notes(prepared)
        text = verdict_text if prepared.valid else report_text
        print(text(prepared.report), file=sys.stderr)
        if not prepared.valid and not options.force:
            print("Not uploaded. To upload it anyway: --force.", file=sys.stderr)
            return ExitCode.FAILED
        deployed = find_deployed(options.env)
        _upload(Path(scratch), deployed, run_input.dataset)
    print(_how_to_start(json.dumps(start), deployed))
    return ExitCode.OK


def _start_input(options: argparse.Namespace, environment: Environment) -> dict[str, str]:
    """Return the execution input that names this dataset, as short as the defaults allow."""
    wanted = {"model": options.model, "dataset": options.name}
    own = {name: getattr(environment.defaults, name) for name in wanted}
    return {name: value for name, value in wanted.items() if value and value != own[name]}


def _upload(folder: Path, deployed: Deployed, dataset: str) -> None:
    s3: Any = boto3.client("s3", region_name=deployed.region)
    for kind, name in FILE_NAMES.items():
        path, key = folder / name, dataset_prefix(dataset) + name
        if path.is_file():
            _put(s3, path, deployed.bucket, key)
        elif kind not in REQUIRED:
            _remove_old(s3, deployed.bucket, key)


def _put(s3: Any, path: Path, bucket: str, key: str) -> None:  # noqa: ANN401  # boto3
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    # Of a multipart upload, S3 keeps only a checksum of the parts' checksums:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html, read 2026-11-23.
    extra = {"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": digest}}
    s3.upload_file(str(path), bucket, key, ExtraArgs=extra)
    size = quantity(len(content), "byte")
    print(f"{path.name} → s3://{bucket}/{key} ({size}, SHA-256 {digest})", flush=True)


def _remove_old(s3: Any, bucket: str, key: str) -> None:  # noqa: ANN401  # boto3
    """Remove an optional file of an earlier dataset, which would become part of this one."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
    if any(item["Key"] == key for item in found):
        s3.delete_object(Bucket=bucket, Key=key)
        print(f"Removed s3://{bucket}/{key}: this dataset has none.")


def _how_to_start(given: str, deployed: Deployed) -> str:
    said = f"Start execution with {given}"
    if "StateMachineArn" not in deployed.outputs:
        return said
    where = f"--region {deployed.region} --state-machine-arn {deployed.state_machine_arn}"
    return f"{said}\n  aws stepfunctions start-execution {where} --input {shlex.quote(given)}"
