"""Whatever the caller's environment holds, an offline process cannot reach a real account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.environment import offline_variables, scrubbed
from tests.repository import ROOT

ENDPOINT = "http://127.0.0.1:4999"
HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_DEFAULT_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
    "AWS_ENDPOINT_URL_BEDROCK": "https://bedrock.example.com",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/real/token",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/real",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/credentials",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_CONFIG_FILE": "/real/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/real/credentials",
    "CDK_DEFAULT_ACCOUNT": "123456789012",
    "HTTP_PROXY": "http://proxy.example.com:3128",
    "HTTPS_PROXY": "http://proxy.example.com:3128",
}
PROBE = """
import boto3, json
session = boto3.Session()
services = ["s3", "bedrock", "bedrock-runtime", "stepfunctions", "cloudformation", "sts"]
print(json.dumps({
    "endpoints": sorted({session.client(each).meta.endpoint_url for each in services}),
    "key": session.get_credentials().access_key,
    "token": session.get_credentials().token,
}))
"""


def test_nothing_of_aws_survives() -> None:
    kept = scrubbed({**HOSTILE, "PATH": "/bin", "HOME": "/home/me"})
    assert set(kept) == {"PATH", "HOME", "HTTP_PROXY", "HTTPS_PROXY"}


@pytest.mark.slow
@pytest.mark.parametrize("extra", [{}, HOSTILE], ids=["clean", "hostile"])
def test_every_client_goes_to_the_offline_endpoint(extra: dict[str, str], tmp_path: Path) -> None:
    """Also with real credentials and endpoints in the home folder's configuration."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text("[default]\nendpoint_url = https://real.example.com\n")
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    )
    environ = scrubbed({**os.environ, **extra, "HOME": str(tmp_path)})
    environ |= offline_variables(ENDPOINT, "us-west-2")
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env=environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found == {"endpoints": [ENDPOINT], "key": "000000000000", "token": None}


def test_loopback_is_never_proxied() -> None:
    assert "127.0.0.1" in offline_variables(ENDPOINT, "us-west-2")["NO_PROXY"]
