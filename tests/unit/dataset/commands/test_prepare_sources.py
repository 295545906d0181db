"""Data as people have it: files of each kind, in the shapes of each tool, and what is not data."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from dataset.__main__ import main
from dataset.commands.prepare import Prepared, PrepareOptions, prepare
from dataset.sources import raw
from dataset.sources.conversion import SYSTEM_PROMPTS, Style
from dataset.sources.files import SourceInvalid
from lambdas.domain.models.model import Model
from tests.fakes import s3 as fakes_s3
from tests.fakes.s3 import FakeS3
from tests.models import CLAUDE_3_HAIKU, LLAMA_3_1_8B, NOVA_2_LITE, NOVA_MICRO

PARTS = ("pump", "valve", "filter", "hose", "gauge", "lamp", "switch", "belt")
PAIRS = [
    (f"How is the {part} of unit {n * 7919} serviced?", f"Clean the {part} every {n + 2} months.")
    for n, part in enumerate(PARTS * 5)
]
JAPANESE = [
    (f"{n}番の部品の保証期間はどのくらいですか。", f"保証期間は{n}年です。") for n in range(40)
]
ALL = PrepareOptions(split="100/0/0")
SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}'
    "</sheetData></worksheet>"
)
XLSX = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/'
    '2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>',
}


def xlsx(*sheets: list[tuple[object, ...]]) -> bytes:
    """Write a workbook with the parts that a reader needs."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    names = [f"sheet{n}" for n in range(1, len(sheets) + 1)]
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="{name}"/>' for n, name in enumerate(names, 1)
    )
    targets = "".join(
        f'<Relationship Id="{name}" Type="{relations}/worksheet" Target="{name}.xml"/>'
        for name in names
    )
    parts = XLSX | {
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/'
        f'package/2006/relationships">{targets}</Relationships>',
    }
    for name, rows in zip(names, sheets, strict=True):
        parts[f"xl/{name}.xml"] = SHEET.format("".join(map(row_xml, rows)))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return file.getvalue()


def row_xml(row: tuple[object, ...]) -> str:
    cells = (
        f"<c><v>{cell}</v></c>"
        if isinstance(cell, int | float)
        else f'<c t="inlineStr"><is><t>{cell}</t></is></c>'
        for cell in row
    )
    return f"<row>{''.join(cells)}</row>"


def table(
    pairs: list[tuple[str, str]], delimiter: str = ",", header: str = "question answer"
) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows([header.split(), *pairs])
    return file.getvalue()


def as_parquet(pairs: list[tuple[str, str]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(
        pa.Table.from_pylist([{"question": q, "answer": a} for q, a in pairs]), file
    )
    return file.getvalue()


KINDS = {
    "faq.csv": table(PAIRS).encode("utf-8-sig"),
    "semicolons.csv": table(PAIRS, ";").encode(),
    "excel.csv": b"sep=;\r\n" + table(PAIRS, ";").encode(),
    "bare returns.csv": table(PAIRS).replace("\r\n", "\r").encode(),
    "faq.tsv": table(PAIRS, "\t").encode(),
    "faq.xlsx": xlsx([("question", "answer"), *PAIRS], []),
    "faq.parquet": as_parquet(PAIRS),
    "faq.jsonl": "\n".join(json.dumps({"question": q, "answer": a}) for q, a in PAIRS).encode(),
    "faq.json": json.dumps([{"question": q, "answer": a} for q, a in PAIRS]).encode(),
    "rows.json": json.dumps({"data": [{"question": q, "answer": a} for q, a in PAIRS]}).encode(),
}


def made(tmp_path: Path, name: str, content: object, model: Model = NOVA_MICRO) -> Prepared:
    return prepare(written(tmp_path, name, content), tmp_path / "out", model, ALL)


def written(tmp_path: Path, name: str, content: object) -> Path:
    if isinstance(content, list):
        content = "\n".join(json.dumps(each, ensure_ascii=False) for each in content)
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    return path


def trained(tmp_path: Path) -> list[dict[str, Any]]:
    lines = (tmp_path / "out" / "training.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def pairs_of(tmp_path: Path) -> list[tuple[str, ...]]:
    return [
        tuple(message["content"][-1]["text"] for message in record["messages"])
        for record in trained(tmp_path)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
def test_files_of_every_kind(tmp_path: Path, name: str, *, zipped: bool) -> None:
    content = gzip.compress(KINDS[name]) if zipped else KINDS[name]
    prepared = made(tmp_path, f"{name}.gz" if zipped else name, content)
    assert prepared.valid
    assert pairs_of(tmp_path) == PAIRS


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_standard_input_of_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(KINDS[name]))))
    out = str(tmp_path / "out")
    assert main(["prepare", "--model", "nova-micro", "--split", "100/0/0", "-", out]) == 0
    assert pairs_of(tmp_path) == PAIRS


def test_files_and_folders_in_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = json.dumps({"question": "Why is it?", "answer": "It is."}).encode()
    objects = {"raw/faq.csv": KINDS["faq.csv"], "all/training.csv": KINDS["faq.csv"]}
    objects |= {"all/evaluation.json": one, "all/deeper/validation.json": one}
    fakes_s3.install(monkeypatch, FakeS3(objects))
    prepare(f"s3://{fakes_s3.BUCKET}/raw/faq.csv", tmp_path / "out", NOVA_MICRO, ALL)
    assert pairs_of(tmp_path) == PAIRS
    prepared = prepare(f"s3://{fakes_s3.BUCKET}/all/", tmp_path / "all", NOVA_MICRO)
    assert prepared.converted == ("training.csv", "evaluation.json")
    with pytest.raises(SourceInvalid, match=r"does not exist.* for a folder, end its name in /"):
        prepare(f"s3://{fakes_s3.BUCKET}/all", tmp_path / "none", NOVA_MICRO)


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-16", "UTF-16 .*iconv -f UTF-16 "),
        ("utf-16-le", "UTF-16: .*iconv -f UTF-16LE "),
        ("cp932", "Shift-JIS .*iconv -f CP932 "),
        ("euc-jp", "EUC-JP.*iconv -f EUC-JP "),
    ],
)
def test_japanese_in_another_encoding_is_named(tmp_path: Path, encoding: str, named: str) -> None:
    content = table(JAPANESE, header="質問 回答").encode(encoding)
    with pytest.raises(SourceInvalid, match=f"faq.csv:1: byte .* probably in {named}.*< faq.csv >"):
        made(tmp_path, "faq.csv", content)


def test_a_few_words_of_japanese_are_enough(tmp_path: Path) -> None:
    content = table([("Reset?", "ﾊﾟｽﾜｰﾄﾞの再発行"), ("How long is it?", "はい")]).encode("cp932")
    with pytest.raises(SourceInvalid, match=r"faq\.csv:2: .* in Shift-JIS"):
        made(tmp_path, "faq.csv", content)


def test_western_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    content = table([("Wie heißt das Gerät?", "Größenmesser")]).encode("cp1252")
    with pytest.raises(SourceInvalid, match=r"faq\.csv:2: .*Windows-1252 .*CSV UTF-8"):
        made(tmp_path, "faq.csv", content)


def test_one_broken_character_is_not_another_encoding(tmp_path: Path) -> None:
    content = table(JAPANESE).encode() + b'"\xff?",x\n'
    with pytest.raises(SourceInvalid, match=r"faq\.csv:42: byte 0xff .* most of the file is"):
        made(tmp_path, "faq.csv", content)


def test_rows_of_separators_are_skipped_and_counted(tmp_path: Path) -> None:
    prepared = made(tmp_path, "faq.csv", ",\n" + table(PAIRS) + ',\n" ",\n\n')
    assert prepared.notes[0] == "faq.csv: skipped 2 blank rows"
    assert pairs_of(tmp_path) == PAIRS


@pytest.mark.parametrize("title", [("Our questions", ""), ("", "Our questions")])
def test_a_title_above_the_header_is_named(tmp_path: Path, title: tuple[str, str]) -> None:
    rows = [title, ("_question", "_answer"), *PAIRS]
    with pytest.raises(SourceInvalid, match=r"faq\.xlsx:1: the first row has one cell, .* delete"):
        made(tmp_path, "faq.xlsx", xlsx(rows))


def test_a_table_without_a_header_is_told_to_have_one(tmp_path: Path) -> None:
    without = table(PAIRS).partition("\n")[2]
    with pytest.raises(SourceInvalid, match="The first row names the columns"):
        made(tmp_path, "faq.csv", without)
    with pytest.raises(SourceInvalid, match=r"faq\.csv:1: the first row has one cell, .* separate"):
        made(tmp_path, "faq.csv", "question|answer\n\nWhy?|So.\n")


def test_cells_that_excel_leaves_out_are_blank(tmp_path: Path) -> None:
    content = "question,answer,topic,,\n" + "".join(f"{q},{a}\n" for q, a in PAIRS)
    prepared = made(tmp_path, "faq.csv", content + "Why?,So.,t,,,,\nAnd?,So.,t,x,,\n")
    assert len(pairs_of(tmp_path)) == 42
    assert prepared.notes[0] == f"{tmp_path / 'faq.csv'}:43: ignored 'column 4'"


def test_workbooks(tmp_path: Path) -> None:
    rows = [("question", "answer", "n"), *((f"Is {n} one?", n, 1.0) for n in range(9))]
    prepared = made(tmp_path, "faq.xlsx", xlsx([("",), *rows]))
    assert pairs_of(tmp_path)[0] == ("Is 0 one?", "0")
    assert prepared.notes[0] == f"{tmp_path / 'faq.xlsx'}:3 and 8 more: ignored 'n'"
    with pytest.raises(SourceInvalid, match=r"several sheets with data \(sheet1, sheet2\)"):
        made(tmp_path, "two.xlsx", xlsx(rows, rows))
    with pytest.raises(SourceInvalid, match=r"cannot be read as a workbook .* without a password"):
        made(tmp_path, "broken.xlsx", b"\xd0\xcf\x11\xe0")


def test_a_cell_far_from_the_others_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One blank cell at ZZ100000 took more than 6 GB, and ended Python."""
    monkeypatch.setattr(raw, "_MOST_CELLS", 80)
    rows = [("question", "answer"), *PAIRS]
    assert made(tmp_path, "faq.xlsx", xlsx(rows[:40])).report.files["training.jsonl"].records == 39
    with pytest.raises(SourceInvalid, match=r"xlsx: sheet1 reaches to row 3 and column 41: delete"):
        made(tmp_path, "faq.xlsx", xlsx([*rows[:2], ("",) * 40 + (" ",)]))


def test_parquet_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceInvalid, match=r"install it: .* -r requirements-parquet\.txt"):
        made(tmp_path, "faq.parquet", KINDS["faq.parquet"])
    monkeypatch.undo()
    with pytest.raises(SourceInvalid, match="cannot be read as Parquet"):
        made(tmp_path, "faq.parquet", b"PAR1")
    torn = KINDS["faq.parquet"][:-16] + b"\xff" * 8 + KINDS["faq.parquet"][-8:]
    with pytest.raises(SourceInvalid, match=r"faq\.parquet cannot be read as Parquet"):
        made(tmp_path, "faq.parquet", torn)
    file, never = io.BytesIO(), pa.array([2**62], pa.timestamp("us"))
    parquet.write_table(pa.table({"question": ["Q"], "answer": ["A"], "when": never}), file)
    with pytest.raises(SourceInvalid, match=r"cannot be read as Parquet: date value out of range"):
        made(tmp_path, "faq.parquet", file.getvalue())


def test_what_cannot_be_unzipped(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match=r"faq\.csv\.gz cannot be unzipped: "):
        made(tmp_path, "faq.csv.gz", gzip.compress(KINDS["faq.csv"])[:-9])


def test_japanese_is_asked_in_japanese(tmp_path: Path) -> None:
    prepared = made(tmp_path, "faq.csv", table(JAPANESE, header="質問 回答"))
    assert {each["system"][0]["text"] for each in trained(tmp_path)} == {SYSTEM_PROMPTS["Japanese"]}
    assert pairs_of(tmp_path) == JAPANESE
    assert "training.jsonl: in 40 records, added a system prompt: " in prepared.notes[0]


def test_a_language_without_a_general_prompt_gets_none(tmp_path: Path) -> None:
    text = "Когда нужно чистить насос установки, и как это делается правильно"
    prepared = made(tmp_path, "faq.csv", table([(f"{text} {n}?", f"{text}.") for n in range(9)]))
    assert "system" not in trained(tmp_path)[0]
    assert prepared.notes == ()


@pytest.mark.parametrize("answer", ["billing", '{"queue": "billing"}', "請求"])
def test_answers_that_are_no_sentences_are_not_asked_for_as_such(
    tmp_path: Path, answer: str
) -> None:
    tickets = [{"question": f"Ticket {n} asks for money", "answer": answer} for n in range(9)]
    prepared = made(tmp_path, "tickets.json", json.dumps(tickets).encode())
    assert "system" not in trained(tmp_path)[0]
    assert not any("system prompt" in each for each in prepared.notes)


def chat(*texts: object, **changes: object) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(texts)
    said = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]
    return {"messages": said, **changes}


def openai(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": question}]},
            {"role": "assistant", "content": answer, "tool_calls": None, "refusal": None},
        ],
        "tools": [],
    }


SHAPES = {
    "openai": [openai(q, a) for q, a in PAIRS],
    "claude": [chat(q, a, system="Be kind.") for q, a in PAIRS],
    "typed blocks": [
        chat([{"type": "text", "text": q}], [{"type": "text", "text": a}], system="Be kind.")
        for q, a in PAIRS
    ],
    "typed values": [
        chat([{"type": "text", "value": q}], [{"type": "text", "value": a}], system="Be kind.")
        for q, a in PAIRS
    ],
    "converse, no version": [
        chat([{"text": q}], [{"text": a}], system=[{"text": "Be kind."}]) for q, a in PAIRS
    ],
    "sharegpt": [
        {
            "system": "Be kind.",
            "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}],
        }
        for q, a in PAIRS
    ],
    "lists of messages": [
        {
            "prompt": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": q},
            ],
            "completion": [{"role": "assistant", "content": a}],
        }
        for q, a in PAIRS
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", [NOVA_MICRO, CLAUDE_3_HAIKU], ids=lambda model: model.key)
def test_a_folder_is_converted_like_a_file_given_alone(
    tmp_path: Path, shape: str, model: Model
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    first = chat([{"text": "Why?"}], [{"text": "So."}], schemaVersion="v")
    if model is CLAUDE_3_HAIKU:
        first = chat("Why?", "So.")  # the first line alone has the model's format
    alone = written(tmp_path, "alone.jsonl", [first, *SHAPES[shape]])
    written(folder, "training.jsonl", alone.read_bytes())
    written(folder, "evaluation.json", json.dumps([{"question": "When?", "answer": "Now."}]))
    assert prepare(folder, tmp_path / "of-folder", model).valid
    assert prepare(alone, tmp_path / "out", model, ALL).valid
    copied = (tmp_path / "of-folder" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in copied] == trained(tmp_path)
    assert all("Be kind." in json.dumps(record.get("system")) for record in trained(tmp_path)[1:])


def test_squad_is_read_with_its_passages(tmp_path: Path) -> None:
    def question(n: int, **more: object) -> dict[str, Any]:
        answers = [{"text": f"Every {n} weeks.", "answer_start": 4}]
        return {"id": str(n), "question": f"When is {n} due?", "answers": answers, **more}

    impossible = {**question(0, is_impossible=True), "answers": []}
    squad = {
        "version": "v2.0",
        "data": [
            {
                "title": f"Units {n}",
                "paragraphs": [{"context": f"Unit {n}.", "qas": [question(n), impossible]}],
            }
            for n in range(9)
        ],
    }
    path = written(tmp_path, "squad.json", json.dumps(squad))
    with pytest.raises(SourceInvalid, match=r"data\[0\]\.paragraphs\[0\]\.qas\[1\] and 8 more"):
        prepare(path, tmp_path / "out", NOVA_MICRO, ALL)
    skipping = PrepareOptions(split="100/0/0", skip=True)
    prepared = prepare(path, tmp_path / "out", NOVA_MICRO, skipping)
    assert pairs_of(tmp_path)[3] == ("When is 3 due?\n\nUnit 3.", "Every 3 weeks.")
    assert prepared.notes[0].endswith(
        "qas[0] and 8 more: ignored 'version', 'title', 'answers[].answer_start'"
    )
    assert "squad.json: skipped 9 records" in prepared.notes


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"prompt": "Q", "chosen": "A", "rejected": "B"}, "a preference pair"),
        (
            {"input": {}, "preferred_output": [1], "non_preferred_output": [1]},
            "a preference pair",
        ),
        ({"prompt": "Q", "completion": "A", "label": False}, "a label of good or bad"),
        (chat("Q", "A", label=False), "a label of good or bad"),
        ({"chosen_messages": [1], "rejected_messages": [1]}, "a preference pair"),
        (chat("Q", reference_answer="A"), "for reinforcement fine-tuning"),
        ({"prompt": [{"role": "user"}], "reward_model": {"a": 1}}, "for reinforcement fine-tuning"),
        (
            {"conversationTurns": [{"prompt": {}, "referenceResponses": []}]},
            "for a knowledge base evaluation",
        ),
        ({"contents": [{"role": "user", "parts": [{"text": "Q"}]}]}, r"Gemini \(Vertex AI\)"),
        ({"text": "Some text.", "meta": {"a": 1}}, "raw text, as for continued pre-training"),
    ],
    ids=str,
)
def test_what_is_for_another_purpose_is_named(
    tmp_path: Path, record: dict[str, Any], says: str
) -> None:
    with pytest.raises(SourceInvalid, match=rf"x\.jsonl:1: it is .*{says}.*: ") as refused:
        made(tmp_path, "x.jsonl", [record])
    assert "--skip" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tool_calls": [{"id": "1"}]}, r"it has messages\[1\]\.tool_calls; this project trains"),
        ({"function_call": {"name": "f"}}, r"it has messages\[1\]\.function_call"),
        ({"refusal": "No."}, r"it has messages\[1\]\.refusal"),
        ({"weight": 0}, r"messages\[1\]\.weight is 0, but every answer is trained on: drop"),
        ({"train": False}, r"messages\[1\]\.train is false, but every answer is trained on"),
        ({"weight": 0.5}, r"messages\[1\]\.weight is 0\.5: Bedrock knows no weights but 0 and 1"),
        ({"content": [{"type": "image_url", "image_url": {}}]}, r"\(image_url\), and this project"),
        ({"content": [{"toolUse": {}}]}, r"\(toolUse\), and this project trains text only"),
        ({"reasoning_content": "R"}, r"it has reasoning, and Amazon Nova Micro does not train on"),
    ],
    ids=str,
)
def test_what_changes_meaning_is_refused_or_skipped_and_said(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    changed = chat("Why?", "So.")
    changed["messages"][1] |= change
    path = written(tmp_path, "x.jsonl", [*(chat(q, a) for q, a in PAIRS), changed])
    with pytest.raises(SourceInvalid, match=says) as refused:
        prepare(path, tmp_path / "out", NOVA_MICRO, ALL)
    assert "x.jsonl:41: " in str(refused.value)
    prepared = prepare(
        path, tmp_path / "out", NOVA_MICRO, PrepareOptions(split="100/0/0", skip=True)
    )
    assert pairs_of(tmp_path) == PAIRS
    assert prepared.notes[0] == "x.jsonl: skipped 1 record"
    assert prepared.notes[1].startswith(f"skipped {path}:41: ")


def test_an_earlier_answer_that_is_not_trained_on_is_refused_but_may_be_asked_with(
    tmp_path: Path,
) -> None:
    record = chat("Q1", "Bad.", "Q2", "Good.")
    record["messages"][1]["weight"] = 0
    record["messages"][3]["weight"] = 1
    written(tmp_path, "evaluation.jsonl", [record])
    written(tmp_path, "training.jsonl", [record])
    for model in (NOVA_MICRO, LLAMA_3_1_8B):
        with pytest.raises(SourceInvalid, match=r"messages\[1\]\.weight is 0, but every answer"):
            prepare(tmp_path, tmp_path / "out", model)
    written(tmp_path, "training.jsonl", [chat("Q", "A")])
    prepare(tmp_path, tmp_path / "out", NOVA_MICRO)
    example = json.loads((tmp_path / "out" / "evaluation.jsonl").read_text())
    assert [turn["content"] for turn in example["history"]] == ["Q1", "Bad."]
    record["messages"][3]["weight"] = 0
    written(tmp_path, "evaluation.jsonl", [record])
    with pytest.raises(
        SourceInvalid, match=r"messages\[3\]\.weight is 0, so it is not a reference"
    ):
        prepare(tmp_path, tmp_path / "out", NOVA_MICRO)


def test_weights_of_what_is_asked_say_nothing(tmp_path: Path) -> None:
    records = [chat(q, a) for q, a in PAIRS]
    for record in records:
        record["messages"][0]["loss_weight"] = 0.0
        record["messages"][1]["loss_weight"] = 1.0
    assert made(tmp_path, "x.jsonl", records).notes == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        {"content": [{"reasoningContent": {"reasoningText": {"text": "R"}}}, {"text": "A"}]},
        {"content": [{"type": "thinking", "thinking": "R"}, {"type": "text", "text": "A"}]},
        {"content": "A", "reasoning_content": "R"},
    ],
    ids=["converse", "claude", "key"],
)
def test_reasoning_is_kept_for_models_that_train_on_it(
    tmp_path: Path, answer: dict[str, Any]
) -> None:
    record = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", **answer}]}
    prepared = made(tmp_path, "x.jsonl", [record] * 200, NOVA_2_LITE)
    assert trained(tmp_path)[0]["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "R"}}},
        {"text": "A"},
    ]
    assert prepared.valid
    without = PrepareOptions(split="100/0/0", style=Style(no_reasoning=True))
    prepared = prepare(tmp_path / "x.jsonl", tmp_path / "out", NOVA_MICRO, without)
    assert pairs_of(tmp_path)[0] == ("Q", "A")
    assert "training.jsonl: in 200 records, left out the reasoning" in prepared.notes


@pytest.mark.slow
@pytest.mark.parametrize(
    "system", ["", " ", None, [], [{"text": ""}], [{"type": "text", "text": " "}]], ids=repr
)
@pytest.mark.parametrize("model", [NOVA_MICRO, CLAUDE_3_HAIKU, LLAMA_3_1_8B], ids=lambda m: m.key)
def test_an_empty_system_prompt_is_none(tmp_path: Path, system: object, model: Model) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, "evaluation.json", json.dumps([{"question": "When?", "answer": "Now."}]))
    message = {"role": "system", "content": system if system is not None else ""}
    for record in (
        chat("Q", "A", system=system),
        chat([{"text": "Q"}], [{"text": "A"}], system=system, schemaVersion="v"),
        {"messages": [message, *chat("Q", "A")["messages"]]},
    ):
        written(folder, "training.jsonl", [record] * 40)
        prepared = prepare(folder, tmp_path / "out", model)
        assert prepared.report.system_prompt is None
        assert "system" not in trained(tmp_path)[0]


def test_keys_of_messages_and_blocks_are_named(tmp_path: Path) -> None:
    records = [openai(q, a) for q, a in PAIRS]
    records[1]["messages"][2]["content"] = [{"text": "A", "cache_control": {"type": "x"}}]
    prepared = made(tmp_path, "x.jsonl", records)
    path, block = tmp_path / "x.jsonl", "messages[].content[].cache_control"
    assert prepared.notes == (
        f"{path}:1 and 39 more: ignored 'messages[].name'",
        f"{path}:2: ignored '{block}'",
    )


def test_a_rare_key_is_named_among_many_that_come_and_go(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [{"question": q, "answer": a} for q, a in PAIRS]
    for at, record in enumerate(records):
        record |= {f"m{bit}": 1 for bit in range(5) if at >> bit & 1}
    records[21]["system_promt"] = "Be brief."
    notes = made(tmp_path, "x.json", json.dumps(records)).notes
    assert f"{tmp_path / 'x.json'}:1, record 22: ignored 'system_promt'" in notes


def test_conversations_are_split_and_evaluated(tmp_path: Path) -> None:
    chats = [chat(q, a, f"And then, {q}", f"Then, {a}") for q, a in PAIRS]
    path = written(tmp_path, "chats.jsonl", chats)
    prepared = prepare(path, tmp_path / "out", NOVA_MICRO)
    assert str(prepared).startswith("32 training records, 4 validation records, 4 evaluation")
    assert prepared.valid
    line = (tmp_path / "out" / "evaluation.jsonl").read_text().splitlines()[0]
    example = json.loads(line)
    assert example["question"].startswith("And then, How is the ")
    assert example["reference_answer"].startswith("Then, Clean the ")
    assert [turn["role"] for turn in example["history"]] == ["user", "assistant"]
    assert example["history"][1]["content"] == example["reference_answer"].removeprefix("Then, ")


def test_where_a_model_has_one_prompt_the_earlier_turns_are_in_the_question(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, "training.jsonl", [chat(q, a) for q, a in PAIRS])
    chats = [chat(q, a, f"And then, {q}", f"Then, {a}") for q, a in PAIRS[:4]]
    written(folder, "evaluation.jsonl", chats)
    prepared = prepare(folder, tmp_path / "out", LLAMA_3_1_8B)
    line = (tmp_path / "out" / "evaluation.jsonl").read_text().splitlines()[0]
    question = json.loads(line)["question"]
    assert question.startswith("Question: How is the ")
    assert "\n\nAnswer: Clean the " in question
    wrote = "in 4 records, wrote the earlier turns into the question"
    assert prepared.notes[-1] == f"evaluation.jsonl: {wrote}"


def test_system_prompts_that_are_not_asked_with_are_said(tmp_path: Path) -> None:
    chats = [chat(q, a, system="Be kind.") for q, a in PAIRS]
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, "training.jsonl", chats)
    written(
        folder, "evaluation.jsonl", [chat("Why?", "So.", system=s) for s in ("Be kind.", "No.")]
    )
    prepared = prepare(folder, tmp_path / "out", NOVA_MICRO)
    left_out = "in 1 record, left out the system prompt: a run asks with that of most training"
    assert [each for each in prepared.notes if left_out in each]


def test_a_folder_is_not_overwritten_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "faq.csv", KINDS["faq.csv"])
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    command = ["prepare", "--model", "nova-micro", "--split", "100/0/0", str(path), str(out)]
    assert main(command) == 2
    assert "out is not empty: name another folder, or give --overwrite" in capsys.readouterr().err
    assert sorted(each.name for each in out.iterdir()) == ["notes.txt"]
    assert main([*command, "--overwrite"]) == 0
    assert (out / "notes.txt").read_text() == "mine"


def test_a_source_is_not_replaced_by_what_is_made_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The split of a file in place lost its order, and the next one its evaluation questions."""
    raw = "".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in PAIRS)
    path = written(tmp_path, "training.jsonl", raw)
    written(tmp_path, "evaluation.jsonl", raw)
    for source in (path, tmp_path):
        command = ["prepare", "--model", "nova-micro", str(source), str(tmp_path / "x" / "..")]
        (tmp_path / "x").mkdir(exist_ok=True)
        assert main([*command, "--overwrite"]) == 2
        assert "has the SOURCE, which would be replaced" in capsys.readouterr().err
    assert path.read_text() == raw
    assert main(["prepare", "--model", "nova-micro", str(tmp_path), str(tmp_path / "x")]) == 0


def test_links_in_a_loop_are_no_file_and_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, loop = written(tmp_path, "faq.csv", KINDS["faq.csv"]), tmp_path / "loop"
    loop.symlink_to("loop")
    assert main(["prepare", "--model", "nova-micro", str(loop), str(tmp_path / "out")]) == 2
    assert "loop cannot be read: " in capsys.readouterr().err
    for out in (loop, loop / "out"):
        assert main(["prepare", "--model", "nova-micro", str(path), str(out)]) == 2
        assert "cannot be written: " in capsys.readouterr().err


def test_if_one_file_cannot_be_written_none_is_replaced(tmp_path: Path) -> None:
    path = written(tmp_path, "faq.csv", KINDS["faq.csv"])
    (tmp_path / "out" / "evaluation.jsonl").mkdir(parents=True)
    written(tmp_path / "out", "training.jsonl", "before")
    with pytest.raises(SourceInvalid, match=r"evaluation\.jsonl is a folder"):
        prepare(path, tmp_path / "out", NOVA_MICRO)
    assert (tmp_path / "out" / "training.jsonl").read_text() == "before"
    assert len([*(tmp_path / "out").iterdir()]) == 2


HUGE = "k" * 300_000


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", f"{HUGE},b\nx,y\n", "its keys are k"),
        ("x.csv", f"{HUGE},{HUGE}\nx,y\n", "two columns are called 'k"),
        ("x.json", f'{{"{HUGE}": 1, "{HUGE}": 2}}', "the key 'k"),
        ("x.json", json.dumps({f"k{n}": 1 for n in range(9_999)}), "--completion-key"),
        ("x.json", json.dumps({"messages": [{"role": HUGE, "content": "Q"}]}), "the role is 'k"),
        ("x.json", json.dumps(chat("Q", [{"type": HUGE}])), "other than text"),
        ("x.json", json.dumps({"messages": [{"role": "model", "weight": HUGE, "text": "a"}]}), "k"),
    ],
)
def test_what_is_wrong_is_short_however_long_a_cell_is(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    with pytest.raises(SourceInvalid, match=says) as refused:
        made(tmp_path, name, content)
    assert len(str(refused.value)) < 1_000 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.json", "{" + "".join(f'"k{n}": 1, ' for n in range(60_000)) + '"k59999": 2}', "k59999"),
        ("x.csv", ",".join([*map(str, range(60_000)), "59999"]), "'59999'"),
    ],
)
def test_many_keys_are_compared_in_no_time(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    """Each with each other, they took a minute, and ten times as many an hour."""
    with pytest.raises(SourceInvalid, match=says):
        made(tmp_path, name, content)


@pytest.mark.slow
def test_a_key_of_any_length_is_noted_in_few_words(tmp_path: Path) -> None:
    records = [{"question": q, "answer": a, HUGE: 1, "id": 1.5} for q, a in PAIRS]
    [note, *_] = made(tmp_path, "x.json", json.dumps(records)).notes
    assert ":1 and 39 more: ignored 'k" in note
    assert note.endswith("k…', 'id'")
    assert len(note) < 500 + len(str(tmp_path))


def test_keys_without_number_are_noted_in_few_words(tmp_path: Path) -> None:
    own = [{"question": q, "answer": a, f"x{n}": 1} for n, (q, a) in enumerate(PAIRS)]
    own[0] |= {f"y{n}": 1 for n in range(9_999)}
    notes = made(tmp_path, "x.json", json.dumps(own)).notes
    assert [note for note in notes if "… and 30 more" in note]
    assert max(map(len, notes)) < 700 + len(str(tmp_path))
