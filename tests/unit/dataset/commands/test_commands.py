"""The command line of the dataset tools: exit statuses, what people and programs read."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError

from dataset.__main__ import main
from dataset.commands import upload
from lambdas.aws.comprehend import Comprehend
from operate.deployed import Deployed
from stacks.environment import load
from tests.fakes import s3 as fakes_s3
from tests.fakes.s3 import FakeS3
from tests.repository import ROOT
from tests.unit.aws.test_comprehend import FakeComprehend


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    status = main(["prepare", "--model", "nova-micro", str(ROOT / "dataset"), str(tmp_path)])
    assert status == 0
    return tmp_path


def validate(*arguments: str | Path) -> int:
    return main(["validate", "--model", "nova-micro", *map(str, arguments)])


@pytest.mark.slow
def test_a_valid_dataset_exits_with_0_and_says_so(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("--validation", prepared / "validation.jsonl", "--evaluation")
    assert validate(prepared / "training.jsonl", *files, prepared / "evaluation.jsonl") == 0
    said = capsys.readouterr().out
    assert "Valid for Amazon Nova Micro: 0 errors" in said
    assert f"{prepared / 'training.jsonl'}: 108 records" in said


def test_an_invalid_one_exits_with_1_and_shows_the_first_of_each_kind(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = prepared / "training.jsonl"
    lines = training.read_text().splitlines()
    lines[4:10] = ["{"] * 6
    training.write_text("\n".join(lines))
    assert validate(training) == 1
    said = capsys.readouterr().out
    assert "error not-json: 6" in said
    assert [f"line {n}: " in said for n in (5, 6, 7, 8)] == [True, True, True, False]
    assert "… and 3 more" in said
    assert "INVALID" in said


@pytest.mark.slow
def test_json_is_one_object_with_everything_a_program_needs(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = prepared / "training.jsonl"
    training.write_text('{"messages": 3}\n' + training.read_text())
    capsys.readouterr()
    assert validate(training, "--json") == 1
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "invalid"
    first = next(each for each in report["findings"] if each["severity"] == "error")
    assert {*first} == {"file", "line", "field", "code", "severity", "message", "fix"}
    assert (first["file"], first["line"]) == (str(training), 1)
    assert report["summary"]["files"][str(training)]["records"] == 109


@pytest.mark.slow
def test_a_warning_counts_where_it_is_said_to(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = prepared / "training.jsonl"
    training.write_text(training.read_text() + training.read_text().splitlines()[0] + "\n")
    assert validate(training) == 0
    assert validate(training, "--fail-on", "duplicate") == 1
    assert "warning (not accepted here) duplicate: 1" in capsys.readouterr().out
    assert validate(training, "--no-warnings") == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.jsonl"], "error: there is no file missing.jsonl"),
        (["."], "prepare --model nova-micro . build/prepared"),
        (["faq.csv"], "prepare --model nova-micro faq.csv build/prepared"),
        (["s3://nobody-s/training.jsonl"], "error: An error occurred (NoSuchBucket)"),
        ([f"s3://{fakes_s3.BUCKET}/none.jsonl"], "none.jsonl does not exist: upload it"),
        (["s3://bucket"], "error: s3://bucket names no object: give s3://BUCKET/KEY"),
    ],
)
def test_what_cannot_be_told_exits_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    fakes_s3.install(monkeypatch, FakeS3())
    assert validate(*arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required"),
        (["x", "--model", "nova-micro", "--fail-on", "duplicat"], "Did you mean 'duplicate'"),
        (
            ["x", "--model", "nova-micro", "--comprehend-max-usd", "0"],
            "'0' is not an amount above 0",
        ),
        (["x", "--model", "nova-micro", "--comprehend-max-usd", "nan"], "'nan' is not an amount"),
    ],
)
def test_bad_usage_exits_with_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_an_unknown_model_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--model", "nova-mico", "x"]) == 2
    assert "Did you mean 'nova-micro'" in capsys.readouterr().err


@pytest.mark.slow
def test_services_are_asked_where_it_is_said_to_and_the_cost_is_told(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeComprehend(Bedrock=("NAME", 0.99))
    monkeypatch.setattr("dataset.commands.validate.Comprehend", partial(Comprehend, fake))
    assert validate(prepared / "training.jsonl") == 0
    assert fake.calls == []
    assert validate(prepared / "training.jsonl", "--comprehend-max-usd", "0.2") == 0
    said = capsys.readouterr()
    assert "Amazon Comprehend will cost $0.20 at most" in said.err
    assert "warning personal-data" in said.out
    assert 0 < len(fake.calls) * 3 <= 2_000


@pytest.mark.slow
def test_files_in_s3_are_checked_like_local_ones(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "datasets/faq/training.jsonl"
    fakes_s3.install(monkeypatch, FakeS3({key: (prepared / "training.jsonl").read_bytes()}))
    uri = f"s3://{fakes_s3.BUCKET}/{key}"
    assert validate(uri) == 0
    assert f"{uri}: 108 records" in capsys.readouterr().out


@pytest.mark.slow
def test_what_no_terminal_can_show_is_printed_as_an_escape(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = prepared / "no-utf-8-\udcff.jsonl"
    (prepared / "training.jsonl").rename(training)
    for arguments in ([], ["--json"]):
        capsys.readouterr()
        assert validate(training, *arguments) == 0
        assert "no-utf-8-\\udcff.jsonl" in capsys.readouterr().out


def test_an_interrupt_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("dataset.commands.validate.run", interrupt)
    assert validate("x") == 130
    assert "Interrupted" in capsys.readouterr().err


class Bucket:
    """An S3 client that keeps what it is sent."""

    def __init__(self) -> None:
        self.put: dict[str, dict[str, Any]] = {}
        self.failure: Exception | None = None

    def upload_file(self, path: str, bucket: str, key: str, **extra: dict[str, Any]) -> None:
        if self.failure:
            raise self.failure
        assert Path(path).is_file()
        self.put[f"{bucket}/{key}"] = extra["ExtraArgs"]

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803  # AWS's
        keys = [key.removeprefix(f"{Bucket}/") for key in self.put]
        return {"Contents": [{"Key": key} for key in keys if key.startswith(Prefix)]}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803  # AWS's
        del self.put[f"{Bucket}/{Key}"]


MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:bedrock-tuning-dev"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    fake = Bucket()
    deployed = Deployed("dev", "us-east-1", {"BucketName": "b", "StateMachineArn": MACHINE})
    monkeypatch.setattr(upload, "find_deployed", lambda _: deployed)
    monkeypatch.setattr("boto3.client", lambda *_, **__: fake)
    return fake


@pytest.mark.slow
def test_upload_puts_the_files_where_the_run_looks_with_checksums(
    prepared: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", "--env", "dev", str(prepared)]) == 0
    names = ("training", "validation", "evaluation", "general")
    assert {*bucket.put} == {f"b/datasets/default/{name}.jsonl" for name in names}
    digest = hashlib.sha256((prepared / "training.jsonl").read_bytes()).hexdigest()
    assert bucket.put["b/datasets/default/training.jsonl"] == {
        "ChecksumAlgorithm": "SHA256",
        "Metadata": {"sha256": digest},
    }
    said = capsys.readouterr().out
    assert (
        f"training.jsonl → s3://b/datasets/default/training.jsonl (74,520 bytes, SHA-256 {digest})"
        in said
    )
    assert "Start execution with {}" in said
    assert f"--region us-east-1 --state-machine-arn {MACHINE} --input '{{}}'" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["--name", "other"], '{"dataset": "other"}'),
        (["--model", "nova-lite"], '{"model": "nova-lite"}'),
        (["--name", "x", "--model", "nova-lite"], '{"model": "nova-lite", "dataset": "x"}'),
        (["--name", "default", "--model", "nova-micro"], "{}"),
    ],
)
def test_upload_says_the_shortest_input_that_starts_with_it(
    prepared: Path,
    bucket: Bucket,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    given: str,
) -> None:
    assert main(["upload", "--env", "dev", *arguments, str(prepared)]) == 0
    assert f"Start execution with {given}\n" in capsys.readouterr().out
    assert bucket.put


@pytest.mark.slow
def test_upload_replaces_all_files_of_an_earlier_dataset(
    prepared: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = prepared / "answer.schema.json"
    schema.write_text('{"$comment": "anything"}')
    assert main(["upload", "--env", "dev", "--force", str(prepared)]) == 0
    assert "b/datasets/default/answer.schema.json" in bucket.put
    for name in ("answer.schema.json", "general.jsonl", "validation.jsonl"):
        (prepared / name).unlink()
    assert main(["upload", "--env", "dev", "--force", str(prepared)]) == 0
    names = ("training", "evaluation")
    assert {*bucket.put} == {f"b/datasets/default/{name}.jsonl" for name in names}
    assert "Removed s3://b/datasets/default/answer.schema.json" in capsys.readouterr().out


@pytest.mark.slow
def test_upload_refuses_what_is_not_valid_unless_forced(
    prepared: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    training = prepared / "training.jsonl"
    training.write_text(training.read_text().partition("\n")[0] + "\n")
    assert main(["upload", "--env", "dev", "--name", "other", str(prepared)]) == 1
    assert bucket.put == {}
    said = capsys.readouterr().err
    assert "error too-few-records: 1" in said
    assert "Not uploaded" in said
    assert main(["upload", "--env", "dev", "--name", "other", "--force", str(prepared)]) == 0
    assert "b/datasets/other/training.jsonl" in bucket.put


@pytest.mark.slow
def test_upload_checks_by_the_rules_of_the_environment(
    prepared: Path,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bucket.put == {}
    environment = load("dev")
    strict = environment.defaults.model_copy(update={"fail_on_warnings": ["duplicate"]})
    training = prepared / "training.jsonl"
    training.write_text(training.read_text() + training.read_text().splitlines()[0] + "\n")
    assert main(["upload", "--env", "dev", str(prepared)]) == 0
    changed = environment.model_copy(update={"defaults": strict})
    monkeypatch.setattr(upload, "load", lambda _: changed)
    assert main(["upload", "--env", "dev", str(prepared)]) == 1
    assert (
        "of which duplicate is not accepted here (fail_on_warnings, --fail-on). Correct"
        in capsys.readouterr().err
    )
    assert main(["upload", "--env", "dev", "--model", "claude-3-haiku", str(prepared)]) == 1


@pytest.mark.slow
def test_validation_data_of_an_earlier_upload_goes(
    prepared: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", "--env", "dev", str(prepared)]) == 0
    (prepared / "validation.jsonl").unlink()
    assert main(["upload", "--env", "dev", str(prepared)]) == 0
    assert "b/datasets/default/validation.jsonl" not in bucket.put
    assert "Removed s3://b/datasets/default/validation.jsonl" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--name", "my data"], 'dataset is "my data": give text that matches'),
        (["--model", "nova-mico"], "Did you mean 'nova-micro'"),
        ([], "error: no such bucket"),
    ],
)
def test_what_cannot_be_uploaded_says_why(
    prepared: Path,
    bucket: Bucket,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    bucket.failure = S3UploadFailedError("no such bucket")
    assert main(["upload", "--env", "dev", *arguments, str(prepared)]) == 2
    assert says in capsys.readouterr().err
    assert bucket.put == {}


def test_upload_of_nothing_says_what_is_missing(
    tmp_path: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", "--env", "dev", str(tmp_path)]) == 2
    assert "has no training.jsonl, training.json, training.csv" in capsys.readouterr().err
    assert bucket.put == {}


def test_an_environment_that_is_not_there_is_named(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", "--env", "div", str(prepared)]) == 2
    assert "no environment 'div': did you mean 'dev'" in capsys.readouterr().err


def test_upload_takes_raw_data_and_converts_it(
    tmp_path: Path, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (f"Frage {n * 7919}?,Antwort {n * 104729}.\n" for n in range(40))
    (tmp_path / "faq.csv").write_text("Frage,Antwort\n" + "".join(rows))
    keys = ["--prompt-key", "Frage", "--completion-key", "Antwort", "--split", "80/0/20"]
    assert main(["upload", "--env", "dev", *keys, str(tmp_path / "faq.csv")]) == 0
    assert {*bucket.put} == {f"b/datasets/default/{n}.jsonl" for n in ("training", "evaluation")}
    assert "Note: training.jsonl: in 32 records, added a system prompt" in capsys.readouterr().err


def test_upload_looks_at_the_data_before_it_asks_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(_: str) -> Deployed:
        raise AssertionError

    monkeypatch.setattr(upload, "find_deployed", asked)
    assert main(["upload", "--env", "dev", str(tmp_path / "none.csv")]) == 2
    assert "none.csv cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.slow
def test_validate_names_the_files_of_a_folder(
    prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(prepared) == 2
    said = capsys.readouterr().err
    command = said.partition("python -m dataset ")[2].split()
    assert main(command) == 0


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(command in said for command in ("generate", "prepare", "validate", "upload"))
