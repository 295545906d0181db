"""Raw data of every kind: which text is read from where, unchanged, and what is no record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.commands.prepare import PrepareOptions, prepare
from dataset.sources.conversations import Entry, describe, read_entries
from dataset.sources.conversion import Style
from dataset.sources.files import SourceInvalid, read_file
from dataset.sources.pairs import USUAL, Keys
from lambdas.domain.models.catalogue import MODELS
from lambdas.domain.models.model import Model
from lambdas.validation import Turn
from tests.models import CLAUDE_3_HAIKU, NOVA_MICRO

Read = Callable[..., list[Entry]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(name: str, content: str | bytes, keys: Keys = USUAL) -> list[Entry]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_all(path, keys)

    return read


def read_all(path: Path, keys: Keys = USUAL) -> list[Entry]:
    found = read_entries(read_file(str(path)), keys)
    if found.problems:
        raise SourceInvalid("\n".join(describe(found.problems)))
    return found.entries


def said(entries: list[Entry]) -> list[tuple[str, ...]]:
    return [tuple(turn.text for turn in each.conversation.turns) for each in entries]


def lines(entries: list[Entry]) -> list[int]:
    return [int(each.location.rpartition(":")[2]) for each in entries]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('[\n  {"q": "1", "a": "2"},\n\n  {"q": "3", "a": "4"}\n]\n', [2, 4]),
        ('{"q": "1", "a": "2"}\n\n{"q": "3",\n "a": "4"}', [1, 3]),
        ('\ufeff{"q": "1", "a": "2"}\r\n{"q": "3", "a": "4"}\r\n', [1, 2]),
    ],
    ids=["list", "one after the other", "with a byte order mark"],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".JSON"])
def test_json_in_a_list_or_one_after_the_other(
    read: Read, suffix: str, content: str, where: list[int]
) -> None:
    entries = read(f"raw{suffix}", content)
    assert said(entries) == [("1", "2"), ("3", "4")]
    assert lines(entries) == where


CSV = 'Frage,Antwort,topic\n"Was ist\nS3?",Ein Speicher,aws\n\nUnd EC2?,"Rechner, ""gemietet""",\n'
GERMAN = Keys(prompt="Frage", completion="Antwort")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_by_the_keys_it_is_given(read: Read, encoding: str, end: str) -> None:
    entries = read("raw.csv", CSV.replace("\n", end).encode(encoding), GERMAN)
    assert said(entries) == [
        (f"Was ist{end}S3?", "Ein Speicher"),
        ("Und EC2?", 'Rechner, "gemietet"'),
    ]
    assert [each.topic for each in entries] == ["aws", None]
    assert lines(entries) == [2, 5]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_as_spreadsheets_elsewhere_write_it(read: Read, separator: str) -> None:
    text = f"question{separator} answer\nEins, zwei?{separator}Drei\n"
    assert said(read("raw.csv", text)) == [("Eins, zwei?", "Drei")]


def test_a_cell_may_be_as_long_as_a_record(read: Read) -> None:
    assert said(read("raw.csv", f"q,a\nQ,{'x' * 500_000}\n")) == [("Q", "x" * 500_000)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("raw.csv", "", r"raw\.csv is empty"),
        ("raw.txt", "x", r"raw\.txt: unsupported file type; expected \.jsonl, \.json, \.csv"),
        ("raw.csv", CSV.encode("utf-16"), r"raw\.csv:1: byte 0xff is not UTF-8"),
        ("raw.csv", "Frage,Antwort\n1,2\n1\n", r"raw\.csv:3: Antwort is not a text, or is blank"),
        ("raw.csv", 'Frage,Antwort\n"1,2\n', r"raw\.csv:2: the row that starts here is not CSV"),
        ("raw.csv", "Frage,Frage\n1,2\n", r"raw\.csv:1: two columns are called 'Frage'"),
        ("raw.csv", "Frage,Antwort\n", r"raw\.csv has no records"),
        ("raw.csv", "Fragen,Antwort\n1,2\n", r"raw\.csv:2: no key 'Frage': did you mean 'Fragen'"),
        ("raw.json", '[{"Frage": 1, "Antwort": "2"}]', r"raw\.json:1: Frage is not a text"),
        (
            "raw.json",
            '[{"Frage": "1", "Antwort": "2"}, 5]',
            r"raw\.json:1, record 2: it is not an",
        ),
        ("raw.json", '[\n{"a": 1, "a": 2}]', r"raw\.json:2: the key 'a' occurs twice"),
        ("raw.json", '[1] "x"', r"raw\.json:1: there is text after the end of the list"),
        ("raw.json", "[1]\u3000", r"raw\.json:1: there is text after the end of the list"),
        ("raw.json", "[1\n2]", r"raw\.json:2: a comma or the end of the list is missing"),
        ("raw.json", "[" * 200_000, r"raw\.json:1: the JSON is nested too deeply"),
        ("raw.jsonl", '{"a": ' + "9" * 5000 + "}", r"raw\.jsonl:1: Exceeds the limit"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(
    read: Read, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(SourceInvalid, match=says):
        read(name, content, GERMAN)


def test_conversations_in_every_writing(read: Read) -> None:
    texts = ["Hi", "Hello", "Why?", "Because"]
    roles = ["user", "assistant"] * 2
    claude = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
    converse = [{"role": r, "content": [{"text": t}]} for r, t in zip(roles, texts, strict=True)]
    shared = [{"from": r, "value": t} for r, t in zip(["human", "gpt"] * 2, texts, strict=True)]
    records = [
        {"system": "S", "messages": claude},
        {"schemaVersion": "v", "system": [{"text": "S"}], "messages": converse},
        {"messages": [{"role": "system", "content": "S"}, *claude]},
        {"system": "S", "conversations": shared},
        {"turns": [{"from": "system", "value": "S"}, *shared]},
    ]
    entries = read("raw.jsonl", "\n".join(map(json.dumps, records)))
    [conversation] = {each.conversation for each in entries}
    assert [turn.text for turn in conversation.turns] == texts
    assert [turn.role for turn in conversation.turns] == roles
    assert conversation.system == "S"
    assert all(each.ignored == () for each in entries)


def message(role: str, content: object = "x") -> dict[str, object]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "messages: the last message must be the assistant's"),
        ([message("user")], "messages: the last message must be the assistant's: add one"),
        ([message("assistant")], r"messages\[0\]: the role is assistant where user is expected"),
        ([message("user")] * 2, r"messages\[1\]: the role is user where assistant is expected"),
        ([message("user"), message("tool")], r"messages\[1\]: the role is 'tool': only user"),
        ([message("user"), message("system")], r"messages\[1\]: the role is 'system'"),
        ([message("user", " ")], r"messages\[0\]: its text is blank"),
        ([message("user", None)], r"messages\[0\]\.content is not text"),
        ([message("user", [{"image": {}}])], r"messages\[0\]\.content\[0\] has content other"),
        (["x"], r"messages\[0\] is not an object but str"),
        ([{"role": "user"}], r"messages\[0\] has none of the keys content, value, text"),
        (
            [message("system", "other"), message("user"), message("assistant")],
            "different system prompts: keep one",
        ),
    ],
)
def test_what_is_no_conversation(read: Read, messages: list[object], says: str) -> None:
    with pytest.raises(SourceInvalid, match=rf"raw\.jsonl:1: .*{says}"):
        read("raw.jsonl", json.dumps({"system": "S", "messages": messages}))


def test_given_keys_stand_over_recognised_ones(read: Read) -> None:
    keys = Keys("ask", "tell", "basis", "rules", "number", "area")
    record = {"question": "q", "answer": "a", "messages": [], "system": "s", "id": "i"}
    own = {"ask": "Q", "tell": "A", "rules": "S", "number": 7, "area": "T"}
    [entry] = read("raw.json", json.dumps(record | own), keys)
    assert entry.conversation.turns == (Turn("user", "Q"), Turn("assistant", "A"))
    assert (entry.conversation.system, entry.id, entry.topic) == ("S", "7", "T")
    assert entry.ignored == ("question", "answer", "system", "id")


# All of Unicode but half surrogate pairs, which no file in UTF-8 can hold; and at least one letter,
# as a blank text is refused.
TEXTS = st.builds(
    "{}{}{}".format,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from("a質ñא🙂"),
    st.text(st.characters(exclude_categories=["Cs"])),
)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


def as_csv(pairs: list[tuple[str, str]]) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("question", "answer"), *pairs])
    return file.getvalue()


def as_json(pairs: list[tuple[str, str]]) -> str:
    return json.dumps([{"question": question, "answer": answer} for question, answer in pairs])


def through(folder: Path, model: Model, name: str, content: str) -> list[tuple[str, ...]]:
    """Prepare a file for a model and read the result as any other source."""
    (folder / name).write_bytes(content.encode())
    options = PrepareOptions(style=Style(no_system_prompt=True), split="100/0/0")
    prepare(folder / name, folder / "out", model, options)
    return said(read_all(folder / "out" / "training.jsonl"))


@pytest.mark.slow
@settings(deadline=None)  # a machine may be busy
@given(pairs=PAIRS, model=st.sampled_from(sorted(MODELS)))
def test_every_text_comes_through_unchanged(pairs: list[tuple[str, str]], model: str) -> None:
    with TemporaryDirectory() as scratch:
        for name, written in (("raw.csv", as_csv), ("raw.json", as_json)):
            assert through(Path(scratch), MODELS[model], name, written(pairs)) == pairs


@pytest.mark.slow
@settings(deadline=None)  # a machine may be busy
@given(pairs=PAIRS)
def test_formats_convert_into_each_other_and_back(pairs: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as scratch:
        folder, written = Path(scratch), as_json(pairs)
        once = through(folder, CLAUDE_3_HAIKU, "raw.json", written)
        prepared = (folder / "out" / "training.jsonl").read_text()
        assert through(folder, NOVA_MICRO, "claude.jsonl", prepared) == once == pairs


def test_text_stays_readable_and_escapes_of_no_character_stay_escapes(tmp_path: Path) -> None:
    through(tmp_path, NOVA_MICRO, "raw.json", '[{"q": "質問\\u3000\\u00e9", "a": "\\ud83d"}]')
    written = (tmp_path / "out" / "training.jsonl").read_text()
    assert "質問\u3000é" in written
    assert '"\\ud83d"' in written
