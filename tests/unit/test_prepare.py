from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dataset.__main__ import main
from dataset.prepare import SYSTEM_PROMPT, SourceInvalid, prepare
from lambdas.domain.catalogue import CLAUDE_3_HAIKU, MODELS, NOVA_MICRO, Model

PAIRS = [{"sentence1": f"質問 {n}?", "sentence2": f"Answer {n}."} for n in range(40)]
QUESTIONS = [{"question": "What?", "answer": "That."}, {"question": "Why?", "answer": "So."}]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    write(folder, "training.json", PAIRS)
    write(folder, "validation.json", [{"q": "How?", "a": "Thus."}])
    write(folder, "evaluation.json", QUESTIONS)
    write(folder, "answers-base.json", {"not": "a dataset"})
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def write(folder: Path, name: str, value: object) -> None:
    (folder / name).write_text(json.dumps(value), encoding="utf-8")


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_raw_pairs_are_converted_for_each_model(source: Path, out: Path, model: Model) -> None:
    prepared = prepare(source, out, model, None)
    assert prepared.valid
    assert prepared.findings == ()
    assert (prepared.training_records, prepared.validation_records) == (40, 1)
    assert prepared.evaluation_examples == 2
    assert prepared.converted == ("training.json", "validation.json", "evaluation.json")
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.jsonl",
        "training.jsonl",
        "validation.jsonl",
    ]
    assert "質問" in (out / "training.jsonl").read_text(encoding="utf-8")


def test_the_formats_are_the_models(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU, "Be brief.")
    assert records(out / "training.jsonl")[0] == {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "質問 0?"},
            {"role": "assistant", "content": "Answer 0."},
        ],
    }
    prepare(source, out, NOVA_MICRO, None)
    assert records(out / "training.jsonl")[0] == {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": SYSTEM_PROMPT}],
        "messages": [
            {"role": "user", "content": [{"text": "質問 0?"}]},
            {"role": "assistant", "content": [{"text": "Answer 0."}]},
        ],
    }


def test_examples_get_an_id_unless_they_have_one(source: Path, out: Path) -> None:
    write(source, "evaluation.json", [{**QUESTIONS[0], "id": "x", "topic": "t"}, QUESTIONS[1]])
    prepare(source, out, CLAUDE_3_HAIKU, None)
    assert records(out / "evaluation.jsonl") == [
        {"id": "x", "question": "What?", "reference_answer": "That.", "topic": "t"},
        {"id": "evaluation-002", "question": "Why?", "reference_answer": "So."},
    ]


def test_prepared_files_are_copied_unchanged(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU, None)
    spaced = (out / "training.jsonl").read_bytes().replace(b'": ', b'" : ')
    (source / "training.json").unlink()
    (source / "training.jsonl").write_bytes(spaced)
    again = prepare(source, out, CLAUDE_3_HAIKU, "ignored for prepared records")
    assert (out / "training.jsonl").read_bytes() == spaced
    assert again.converted == ("validation.json", "evaluation.json")


def test_the_result_is_the_same_each_time(source: Path, out: Path, tmp_path: Path) -> None:
    first, second = (prepare(source, folder, NOVA_MICRO, None) for folder in (out, tmp_path / "b"))
    assert [f.read_bytes() for f in first.files] == [f.read_bytes() for f in second.files]


def test_validation_left_from_another_source_goes(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU, None)
    (source / "validation.json").unlink()
    prepare(source, out, CLAUDE_3_HAIKU, None)
    assert not (out / "validation.jsonl").exists()


def test_a_byte_order_mark_in_raw_data_is_no_harm(source: Path, out: Path) -> None:
    raw = (source / "training.json").read_bytes()
    (source / "training.json").write_bytes(b"\xef\xbb\xbf" + raw)
    assert prepare(source, out, CLAUDE_3_HAIKU, None).valid


def test_what_a_run_would_refuse_is_returned_not_raised(source: Path, out: Path) -> None:
    write(source, "training.json", PAIRS[:3])
    prepared = prepare(source, out, CLAUDE_3_HAIKU, None)
    assert not prepared.valid
    assert [finding.code for finding in prepared.findings] == ["too-few-records"]


def test_a_leak_is_a_warning(source: Path, out: Path) -> None:
    write(source, "validation.json", QUESTIONS[:1])
    prepared = prepare(source, out, CLAUDE_3_HAIKU, None)
    assert prepared.valid
    assert [(f.file, f.line, f.code) for f in prepared.findings] == [
        ("evaluation.jsonl", 1, "leak")
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("training.json", b"[{]", r"training\.json is no JSON in UTF-8"),
        ("training.json", b"\xff", r"training\.json is no JSON in UTF-8"),
        ("training.json", b"{}", r"training\.json holds no list"),
        ("training.json", b"[]", r"training\.json holds no list"),
        ("training.json", b"[1]", r"pair 0 \(counted from 0\): it is no object but int"),
        (
            "evaluation.json",
            b'[{"question": "Q", "answer": "A"}, {"ask": 1, "tell": 2}]',
            r"evaluation\.json: pair 1 .*: its keys are ask, tell; recognised",
        ),
        ("validation.jsonl", b"", r"has both validation\.jsonl and validation\.json"),
    ],
)
def test_a_source_that_cannot_be_read(
    source: Path, out: Path, name: str, content: bytes, says: str
) -> None:
    (source / name).write_bytes(content)
    with pytest.raises(SourceInvalid, match=says):
        prepare(source, out, CLAUDE_3_HAIKU, None)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "training.jsonl:1: the line is blank"),
        (b"[\n", "training.jsonl:1: the line is no JSON"),
        (b'{"prompt": "Q", "completion": "A"}\n', "a raw pair of prompt and completion"),
        (
            b'{"messages": [{"role": "user", "content": "Q"}]}\n',
            "in the claude-messages format, not in the converse format of Amazon Nova Micro",
        ),
    ],
)
def test_prepared_data_for_another_model(
    source: Path, out: Path, content: bytes, says: str
) -> None:
    (source / "training.json").unlink()
    (source / "training.jsonl").write_bytes(content)
    with pytest.raises(SourceInvalid) as refused:
        prepare(source, out, NOVA_MICRO, None)
    assert says in str(refused.value)


def test_training_and_evaluation_are_needed(source: Path, out: Path, tmp_path: Path) -> None:
    (source / "evaluation.json").unlink()
    with pytest.raises(SourceInvalid, match=r"neither evaluation\.jsonl .* nor evaluation\.json "):
        prepare(source, out, CLAUDE_3_HAIKU, None)
    with pytest.raises(SourceInvalid, match="is no folder"):
        prepare(tmp_path / "none", out, CLAUDE_3_HAIKU, None)


def test_the_command_says_what_it_wrote(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--model", "claude-3-haiku", str(source), str(out)]) == 0
    assert "40 training records, 1 validation records" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "status", "says"),
    [
        ("nova-mico", 2, "Did you mean 'nova-micro'"),
        ("claude-3-haiku", 1, "error: training.jsonl: 3 records, of at least 32 needed"),
    ],
)
def test_the_commands_status_tells_why(
    source: Path, capsys: pytest.CaptureFixture[str], model: str, status: int, says: str
) -> None:
    write(source, "training.json", PAIRS[:3])
    out = str(source.parent / "out")
    assert main(["prepare", "--model", model, str(source), out]) == status
    assert says in capsys.readouterr().err
