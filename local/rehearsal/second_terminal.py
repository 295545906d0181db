"""Calls of the offline AWS that a person can make while a rehearsal waits."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass

from botocore import xform_name

from local.environment import offline_variables

_NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class SecondTerminal:
    """Its commands reach the offline AWS and nothing else, whatever the shell is set to."""

    endpoint: str
    region: str

    def calls(self, service: str, operation: str, **parameters: object) -> str:
        """Return one call as a command of the AWS CLI and of boto3, to copy.

        Parameters
        ----------
        operation
            As boto3 calls it: "start_execution".
        """
        words = ["aws", service, operation.replace("_", "-")]
        for name, value in parameters.items():
            given = value if isinstance(value, str) else json.dumps(value)
            words += [f"--{xform_name(name, '-')}", given]
        client, keywords = f'boto3.client("{service}")', f"**{json.dumps(parameters)}"
        program = f"import boto3; print({client}.{operation}({keywords}))"
        python = [os.path.relpath(sys.executable), "-c", program]
        return "\n".join(
            [
                f"    {self._environment} {shlex.join(words)}",
                "  or, without the AWS CLI,",
                f"    {self._environment} {shlex.join(python)}",
            ]
        )

    @property
    def _environment(self) -> str:
        variables = offline_variables(self.endpoint, self.region)
        return " ".join(['env -i PATH="$PATH"', *(f"{k}={variables[k]}" for k in _NEEDED)])
