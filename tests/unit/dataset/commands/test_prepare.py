from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dataset.__main__ import main
from dataset.commands.prepare import PrepareOptions, prepare
from dataset.sources.conversion import SYSTEM_PROMPTS, Style
from dataset.sources.files import SourceInvalid
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from tests.models import CLAUDE_3_HAIKU, LLAMA_3_1_8B, NOVA_MICRO

SYSTEM_PROMPT = SYSTEM_PROMPTS["English"]
PAIRS = [
    {"sentence1": f"質問 {n}?", "sentence2": f"Answer {n}."} for n in range(100)
]  # what Llama needs
UNLIKE = [  # none like another
    {"sentence1": sha256(f"{n}".encode()).hexdigest(), "sentence2": f"Answer {n}."}
    for n in range(132)
]
MORE, HELD_OUT = UNLIKE[:100], UNLIKE[100:]  # what Nova 2 Lite needs besides, and Haiku
QUESTIONS = [{"question": "What?", "answer": "That."}, {"question": "Why?", "answer": "So."}]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    write(folder, "training.json", PAIRS)
    write(folder, "validation.json", HELD_OUT)
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


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.key)
def test_raw_pairs_are_converted_for_each_model(source: Path, out: Path, model: Model) -> None:
    pairs = PAIRS + (MORE if model.limits.min_training_records > len(PAIRS) else [])
    write(source, "training.json", pairs)
    prepared = prepare(source, out, model)
    if model.limits.max_validation_records == 0:
        [refused] = prepared.report.findings.kept
        assert refused.message == f"{model.name} takes no validation file"
        (source / "validation.json").unlink()
        assert prepare(source, out, model).valid
        return
    assert prepared.valid
    assert prepared.report.findings.kept == []
    assert str(prepared).startswith(
        f"{len(pairs)} training records, 32 validation records, 2 evaluation examples"
    )
    assert prepared.converted == ("training.json", "validation.json", "evaluation.json")
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.jsonl",
        "training.jsonl",
        "validation.jsonl",
    ]
    assert "質問" in (out / "training.jsonl").read_text(encoding="utf-8")


def test_the_formats_are_the_models(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU, PrepareOptions(style=Style("Be brief.")))
    assert records(out / "training.jsonl")[0] == {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "質問 0?"},
            {"role": "assistant", "content": "Answer 0."},
        ],
    }
    prepare(source, out, NOVA_MICRO)
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
    prepare(source, out, CLAUDE_3_HAIKU)
    assert records(out / "evaluation.jsonl") == [
        {"id": "x", "question": "What?", "reference_answer": "That.", "topic": "t"},
        {"id": "evaluation-002", "question": "Why?", "reference_answer": "So."},
    ]


def test_prepared_files_are_copied_unchanged(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU)
    spaced = (out / "training.jsonl").read_bytes().replace(b'": ', b'" : ')
    (source / "training.json").unlink()
    (source / "training.jsonl").write_bytes(spaced)
    again = prepare(source, out, CLAUDE_3_HAIKU)
    assert (out / "training.jsonl").read_bytes() == spaced
    assert again.converted == ("validation.json", "evaluation.json")
    prepare(source, out, CLAUDE_3_HAIKU, PrepareOptions(style=Style(no_system_prompt=True)))
    assert "system" not in records(out / "training.jsonl")[0]


def test_the_result_is_the_same_each_time(source: Path, out: Path, tmp_path: Path) -> None:
    for folder in (out, tmp_path / "b"):
        prepare(source, folder, NOVA_MICRO)
    assert contents(out) == contents(tmp_path / "b")


def test_validation_left_from_another_source_goes(source: Path, out: Path) -> None:
    prepare(source, out, CLAUDE_3_HAIKU)
    (source / "validation.json").unlink()
    prepare(source, out, CLAUDE_3_HAIKU)
    assert not (out / "validation.jsonl").exists()


def test_a_byte_order_mark_in_raw_data_is_no_harm(source: Path, out: Path) -> None:
    raw = (source / "training.json").read_bytes()
    (source / "training.json").write_bytes(b"\xef\xbb\xbf" + raw)
    assert prepare(source, out, CLAUDE_3_HAIKU).valid


def test_what_a_run_would_refuse_is_returned_not_raised(source: Path, out: Path) -> None:
    write(source, "training.json", PAIRS[:3])
    prepared = prepare(source, out, CLAUDE_3_HAIKU)
    assert not prepared.valid
    assert [finding.code for finding in prepared.report.findings.kept] == ["too-few-records"]


def test_a_leak_is_a_warning(source: Path, out: Path) -> None:
    write(source, "validation.json", [*HELD_OUT, *QUESTIONS[:1]])
    prepared = prepare(source, out, CLAUDE_3_HAIKU)
    assert prepared.valid
    assert [(f.file, f.line, f.code) for f in prepared.report.findings.kept] == [
        ("evaluation.jsonl", 1, "leak")
    ]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("training.json", b"[{]", r"training\.json:1: not JSON from column 3 on"),
        (
            "training.json",
            b"[\n\xff]",
            r"training\.json:2: byte 0xff is not UTF-8; the file is",
        ),
        ("training.json", b"[]", r"training\.json has no records"),
        ("training.json", b"[1]", r"training\.json:1: it is not an object but int"),
        (
            "evaluation.json",
            b'[{"question": "Q", "answer": "A"},\n {"ask": 1, "tell": 2}]',
            r"evaluation\.json:2: its keys are ask, tell; recognised",
        ),
        ("validation.jsonl", b"", r"has both validation\.json and validation\.jsonl"),
    ],
)
def test_a_source_that_cannot_be_read(
    source: Path, out: Path, name: str, content: bytes, says: str
) -> None:
    (source / name).write_bytes(content)
    with pytest.raises(SourceInvalid, match=says):
        prepare(source, out, CLAUDE_3_HAIKU)
    assert not out.exists()


def test_what_is_wrong_is_said_once_with_the_first_place_up_to_ten_times(
    source: Path, out: Path
) -> None:
    alike = [{"question": "Q", "answer": ""}] * 12
    others = [{f"key {n}": "Q"} for n in range(11)]
    write(source, "training.json", [*PAIRS[:2], *alike, *others])
    with pytest.raises(SourceInvalid) as refused:
        prepare(source, out, CLAUDE_3_HAIKU)
    first, second, *others, last, hint = str(refused.value).splitlines()
    assert hint == "To leave such records out: --skip"
    assert first.endswith(
        "training.json:1, record 3 and 11 more: answer is not a text, or is blank"
    )
    assert "its keys are key 0; recognised" in second
    assert second.endswith("; for others, give --prompt-key and --completion-key")
    assert (len(others), last) == (8, "… and 2 more")


@pytest.mark.slow
@pytest.mark.parametrize("to", [CLAUDE_3_HAIKU, NOVA_MICRO], ids=lambda m: m.key)
@pytest.mark.parametrize("of", [CLAUDE_3_HAIKU, NOVA_MICRO], ids=lambda m: m.key)
def test_data_prepared_for_another_model_is_converted(
    source: Path, out: Path, tmp_path: Path, of: Model, to: Model
) -> None:
    prepare(source, out, of)
    prepare(out, tmp_path / "converted", to)
    prepare(source, tmp_path / "direct", to)
    assert contents(tmp_path / "converted") == contents(tmp_path / "direct")


@pytest.mark.slow
@pytest.mark.parametrize("of", [CLAUDE_3_HAIKU, NOVA_MICRO], ids=lambda m: m.key)
def test_prompts_and_completions_convert_both_ways(
    source: Path, out: Path, tmp_path: Path, of: Model
) -> None:
    bare = PrepareOptions(style=Style(no_system_prompt=True))
    prepare(source, out, of, bare)
    prepare(out, tmp_path / "pairs", LLAMA_3_1_8B)
    prepare(tmp_path / "pairs", tmp_path / "back", of, bare)
    assert records(tmp_path / "pairs" / "training.jsonl")[0] == {
        "prompt": "質問 0?",
        "completion": "Answer 0.",
    }
    assert contents(tmp_path / "back") == contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_records_keep_their_own_system_prompt(source: Path, out: Path) -> None:
    own = {"system": " Own. ", "question": "Whose?", "answer": "Mine."}
    chat = {"messages": [{"role": r, "content": r} for r in ("user", "assistant")]}
    write(source, "training.json", [own, chat, *PAIRS])

    def systems(style: Style) -> list[str | None]:
        prepare(source, out, CLAUDE_3_HAIKU, PrepareOptions(style=style))
        return [each.get("system") for each in records(out / "training.jsonl")[:3]]

    assert systems(Style()) == [" Own. ", None, SYSTEM_PROMPT]
    assert systems(Style("All.")) == [" Own. ", "All.", "All."]
    assert systems(Style(no_system_prompt=True)) == [None, None, None]


def test_a_format_without_system_prompts_gets_them_only_on_demand_and_says_so(
    source: Path, out: Path
) -> None:
    assert prepare(source, out, LLAMA_3_1_8B).notes == ()
    assert records(out / "training.jsonl")[0]["prompt"] == "質問 0?"
    prepared = prepare(source, out, LLAMA_3_1_8B, PrepareOptions(style=Style("Be brief.")))
    assert records(out / "training.jsonl")[0]["prompt"] == "Be brief.\n\n質問 0?"
    first, second, *of_validation = prepared.notes
    assert first.startswith('training.jsonl: in 100 records, added a system prompt: "Be brief."')
    assert second.startswith("training.jsonl: in 100 records, wrote the system prompt into the")
    assert len(of_validation) == 2


def test_several_turns_do_not_fit_one_prompt(source: Path, out: Path) -> None:
    said = zip(["user", "assistant"] * 2, "abcd", strict=True)
    chat = {"messages": [{"role": role, "content": text} for role, text in said]}
    write(source, "training.json", [chat, *PAIRS])
    with pytest.raises(
        SourceInvalid, match=r"training\.json:1: 4 turns, but .* drop the record, or"
    ):
        prepare(source, out, LLAMA_3_1_8B)
    assert not out.exists()
    write(source, "training.json", PAIRS)
    write(source, "evaluation.json", [chat])
    prepare(source, out, LLAMA_3_1_8B)
    flat = "Question: a\n\nAnswer: b\n\nQuestion: c"
    assert records(out / "evaluation.jsonl")[0]["question"] == flat


def test_what_nothing_is_read_from_is_noted(source: Path, out: Path) -> None:
    write(source, "training.json", [{**pair, "sytem": "S", "n": 1} for pair in PAIRS])
    where = f"{source / 'training.json'}:1 and 99 more"
    note, *_ = prepare(source, out, NOVA_MICRO).notes
    assert note == f"{where}: ignored 'sytem', 'n'"


def test_records_with_keys_the_format_lacks_are_rewritten_without(source: Path, out: Path) -> None:
    prepare(source, out, NOVA_MICRO)
    lines = records(out / "training.jsonl")
    (source / "training.json").unlink()
    text = "".join(json.dumps({**each, "source": "faq"}) + "\n" for each in lines)
    (source / "training.jsonl").write_text(text)
    prepared = prepare(source, out, NOVA_MICRO)
    assert prepared.valid
    where = f"{source / 'training.jsonl'}:1 and 99 more"
    assert prepared.notes[0] == f"{where}: ignored 'source'"
    assert records(out / "training.jsonl") == lines


def test_a_file_that_cannot_be_written_changes_nothing(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(source, out, NOVA_MICRO)
    before = contents(out)
    (source / "validation.json").unlink()
    monkeypatch.setattr("dataset.commands.prepare.check", fails)
    with pytest.raises(SourceInvalid, match="cannot be written: No space left"):
        prepare(source, out, CLAUDE_3_HAIKU)
    assert contents(out) == before


def fails(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_general_questions_and_the_schema_of_answers_come_along(source: Path, out: Path) -> None:
    schema = source / "answer.schema.json"
    schema.write_bytes(b'{"type":\n "string"}')
    (source / "general.json").write_text('[{"question": "What is 1 + 1?", "answer": "2"}]')
    prepared = prepare(source, out, NOVA_MICRO)
    assert contents(out)["answer.schema.json"] == schema.read_bytes()
    assert json.loads((out / "general.jsonl").read_text())["reference_answer"] == "2"
    assert str(prepared).split(" (")[0].endswith(", 1 general question")
    assert not prepared.valid
    assert {each.code for each in prepared.report.findings.kept} >= {"not-of-schema"}
    schema.unlink()
    (source / "general.json").unlink()
    assert prepare(source, out, NOVA_MICRO).valid
    assert not {"general.jsonl", "answer.schema.json"} & {*contents(out)}


def test_one_file_is_split_as_asked(tmp_path: Path, out: Path) -> None:
    source = tmp_path / "faq.csv"
    source.write_text("q,a\n" + "".join(f"{n * 7919} {n}?,{n * 104729}\n" for n in range(50)))
    prepared = prepare(source, out, NOVA_MICRO, PrepareOptions(split="60/20/20"))
    assert str(prepared) == (
        "30 training records, 10 validation records, 10 evaluation examples (converted: faq.csv)"
    )
    prepared = prepare(source, out, CLAUDE_3_HAIKU)
    assert str(prepared).startswith("45 training records, 0 validation records, 5 evaluation")
    assert "no validation file: Claude 3 Haiku takes none as small" in prepared.notes[0]
    prepared = prepare(source, out, NOVA_MICRO, PrepareOptions(split="100/0/0"))
    assert [path.name for path in out.iterdir()] == ["training.jsonl"]
    assert prepared.valid


def test_training_and_evaluation_are_needed(source: Path, out: Path, tmp_path: Path) -> None:
    (source / "evaluation.json").unlink()
    with pytest.raises(SourceInvalid, match=r"has no evaluation\.jsonl, evaluation\.json, eval"):
        prepare(source, out, CLAUDE_3_HAIKU)
    with pytest.raises(SourceInvalid, match="none cannot be read: No such file"):
        prepare(tmp_path / "none", out, CLAUDE_3_HAIKU)


def test_the_command_says_what_it_wrote(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--model", "claude-3-haiku", str(source), str(out)]) == 0
    assert "100 training records, 32 validation records, 2 ev" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--model", "nova-mico"], 2, "Did you mean 'nova-micro'"),
        (["--model", "claude-3-haiku"], 1, "3 records; at least 32 are needed"),
        (["--model", "nova-micro", "--prompt-key", "q"], 2, "--completion-key go together"),
        (["--model", "nova-micro", "--split", "80/10/10"], 2, "a SOURCE that is one file"),
    ],
)
def test_the_commands_status_tells_why(
    source: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    says: str,
) -> None:
    write(source, "training.json", PAIRS[:3])
    assert main(["prepare", *arguments, str(source), str(source.parent / "out")]) == status
    assert says in capsys.readouterr().err
