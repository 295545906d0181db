"""How a person asks the tuned model while it is hosted: ready to be pasted, and until when."""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from typing import Any

from lambdas.domain.run.contracts import Dataset, Hosting, Release, Run
from lambdas.domain.run.times import utc

_QUESTION = "Your question"
_LONGEST_PROMPT = 4_000  # characters


def kept_until(hosting: Hosting | None, release: Release | None) -> datetime | None:
    """Return until when the hosting of a run that succeeded stays; None if it does not."""
    return hosting.release_by if hosting and release is None else None


def afterwards(run: Run, dataset: Dataset, hosting: Hosting, until: datetime) -> str:
    """Return the call that the run itself made, for the AWS CLI and for boto3, as plain text."""
    system = [{"text": _system_prompt(run, dataset)}] if dataset.system_prompt else []
    request: dict[str, Any] = {
        "modelId": hosting.hosting_arn,
        **({"system": system} if system else {}),
        "messages": [{"role": "user", "content": [{"text": _QUESTION}]}],
        "inferenceConfig": {"maxTokens": run.settings.max_answer_tokens, "temperature": 0.0},
    }
    return (
        f"The tuned model answers until {utc(until)}, and then it is released.\n"
        f"Its ARN: {hosting.hosting_arn}\n\n"
        f"With the AWS CLI:\n\n{_cli(request, run.region)}\n\n"
        f"With boto3:\n\n{_boto3(request, run.region)}"
    )


def _system_prompt(run: Run, dataset: Dataset) -> str:
    """Return it, or where it is: mails and states take a few kilobytes."""
    prompt = dataset.system_prompt or ""
    if len(prompt) <= _LONGEST_PROMPT:
        return prompt
    return f"(put summary.system_prompt of s3://{run.bucket}/{dataset.findings_key} here)"


def _cli(request: dict[str, Any], region: str) -> str:
    options = {
        "--model-id": request["modelId"],
        "--system": request.get("system"),
        "--messages": request["messages"],
        "--inference-config": request["inferenceConfig"],
        "--query": "output.message.content[0].text",
        "--output": "text",
    }
    given = [f"{name} {_quoted(value)}" for name, value in options.items() if value is not None]
    return " \\\n  ".join([f"aws bedrock-runtime converse --region {region}", *given])


def _quoted(value: object) -> str:
    return shlex.quote(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _boto3(request: dict[str, Any], region: str) -> str:
    arguments = "".join(f"    {name}={value!r},\n" for name, value in request.items())
    return (
        "import boto3\n\n"
        f'bedrock = boto3.client("bedrock-runtime", region_name="{region}")\n'
        f"answer = bedrock.converse(\n{arguments})\n"
        'print(answer["output"]["message"]["content"][0]["text"])'
    )
