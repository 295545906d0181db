"""Make the file of weights that BERTScore needs, and put it into an environment's bucket.

Without --model, it is the English MiniLM that comes with make setup. For Japanese, or any other
language, give a folder that holds a BERT model: config.json, tokenizer.json and model.safetensors
(float32) as save_pretrained() leaves them, and parity.json, which operate/weights/write_parity.py
writes. The file is left in build/weights, where a rehearsal looks for it too, and uploaded to
weights/ of the environment's bucket. Then name it in environments/ENV.toml, as is printed, and
deploy.

For example:
  make weights ENV=dev
  make weights ENV=dev MODEL=bert-base-multilingual-cased

Exit status: 0 done, 1 the weights cannot be used, 2 bad usage, or AWS refused
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from exit_codes import ExitCode
from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.file_names import weights_key
from operate.credentials import explained
from operate.deployed import Deployed, NotDeployed, find_deployed
from operate.weights.making import Source, make_weights, of_folder, of_wheel
from stacks.environment import EnvironmentInvalid


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    parser = argparse.ArgumentParser(
        prog="make weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--env", metavar="NAME", help="without one, nothing is uploaded")
    parser.add_argument("--model", metavar="FOLDER", type=Path)
    options = parser.parse_args(arguments)
    try:
        path = make_weights(_source(options.model))
        print(f"Made {path}")
        if options.env:
            upload(path, find_deployed(options.env))
            print(f"Write into environments/{options.env}.toml, and deploy:")
    except WeightsUnusable as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.FAILED
    except (EnvironmentInvalid, NotDeployed, ClientError, BotoCoreError, Boto3Error) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return ExitCode.ERROR
    print(f'[similarity]\nweights = "{path.name}"')
    return ExitCode.OK


def _source(folder: Path | None) -> Source:
    source = of_folder(folder) if folder else of_wheel()
    if source is None:
        raise WeightsUnusable("the English weights are not installed: run make setup")
    return source


def upload(path: Path, deployed: Deployed) -> None:
    """Put the file where a run looks for it; S3 verifies what it receives."""
    s3: Any = boto3.client("s3", region_name=deployed.region)
    key = weights_key(path.name)
    s3.upload_file(str(path), deployed.bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    print(f"Uploaded to s3://{deployed.bucket}/{key}")


if __name__ == "__main__":
    sys.exit(main())
