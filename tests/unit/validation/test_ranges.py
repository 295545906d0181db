"""Files read in parts: by whomever and however cut, they give the same report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import ServiceUnavailable
from lambdas.validation import (
    KEPT_PER_CODE,
    MAX_LINE_BYTES,
    FileSource,
    ValidationReport,
    make_record,
)
from lambdas.validation.check import Options, check
from lambdas.validation.jsonl import ranges
from lambdas.validation.jsonl.ranges import read_lines
from tests.fakes.bytes_source import BytesSource
from tests.models import CLAUDE_3_HAIKU


def line(number: int) -> bytes:
    record = make_record("claude-messages", "S", f"Question {number % 90}?", f"Answer {number}.")
    return json.dumps(record).encode()


def as_seen(report: ValidationReport) -> str:
    return json.dumps(report.as_json(), sort_keys=True)


def lines_in(content: bytes) -> list[bytes]:
    return [line.content for line in read_lines(BytesSource("f", content))]


def test_a_part_of_a_file_on_disk_is_read_whole(tmp_path: Path) -> None:
    """All at once it came as whatever the memory held, so that UTF-16 was not recognised."""
    path = tmp_path / "training.jsonl"
    path.write_bytes("{}\n".encode("utf-16"))
    source = FileSource(path, path.name)
    assert source.read(2, 6) == b"{\0}\0"
    assert [each.code for each in check(CLAUDE_3_HAIKU, source).findings.kept][:1] == ["utf-16"]


def test_a_file_that_becomes_shorter_while_it_is_read_is_named() -> None:
    class Shrunk(BytesSource):
        size_bytes = 1_000

    with pytest.raises(OSError, match="f has become shorter while it was read: check it again"):
        list(read_lines(Shrunk("f", b"{}\n{}")))


@given(
    lines=st.lists(st.binary(max_size=9).map(lambda each: each.replace(b"\n", b"")), min_size=1),
    ended=st.booleans(),
    range_bytes=st.integers(min_value=1, max_value=12),
)
def test_each_line_is_read_once_wherever_the_cuts_are(
    lines: list[bytes], *, ended: bool, range_bytes: int
) -> None:
    content = b"\n".join(lines) + (b"\n" if ended or not lines[-1] else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "RANGE_BYTES", range_bytes)
        assert lines_in(content) == lines
        read = [*read_lines(BytesSource("f", content))]
    stops = [0, *(line.stop for line in read)]
    assert [content[begin : end - 1] for begin, end in pairwise(stops)] == lines


def test_a_line_too_long_is_passed_over_and_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1 << 20)
    content = line(1) + b"\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\n" + line(2)
    first, cut, last = lines_in(content)
    assert (first, last) == (line(1), line(2))
    assert len(cut) == MAX_LINE_BYTES + 2
    report = check(CLAUDE_3_HAIKU, BytesSource("t", content))
    assert [each.line for each in report.findings.kept if each.code == "line-too-long"] == [2]


@pytest.fixture
def content() -> bytes:
    lines = [line(number) for number in range(400)]
    lines[3], lines[77], lines[390] = b"{", b"", b'{"messages": []}'
    return b"\n".join(lines)


def test_cuts_change_nothing(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    source = BytesSource("training.jsonl", content)
    whole = check(CLAUDE_3_HAIKU, source)
    assert {3, 77, 390} <= {(each.line or 0) - 1 for each in whole.findings.kept}
    assert whole.findings.counts["training.jsonl", "repeated-prompt", "warning"] > 200
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1000)
    assert as_seen(check(CLAUDE_3_HAIKU, source)) == as_seen(whole)


@dataclass(frozen=True)
class Remote(BytesSource):
    connections: int = 3
    broken_at: int | None = None

    def read(self, start: int, stop: int) -> bytes:
        if self.broken_at is not None and start <= self.broken_at < stop and start:
            raise ServiceUnavailable("no answer")
        return super().read(start, stop)


def test_parts_come_over_several_connections(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1000)
    whole = check(CLAUDE_3_HAIKU, BytesSource("training.jsonl", content))
    assert as_seen(check(CLAUDE_3_HAIKU, Remote("training.jsonl", content))) == as_seen(whole)
    broken = Remote("training.jsonl", content, broken_at=20_000)
    with pytest.raises(ServiceUnavailable, match="no answer"):
        check(CLAUDE_3_HAIKU, broken)


def test_progress_is_told_to_the_end(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", 10_000)
    told: list[tuple[int, int]] = []
    check(
        CLAUDE_3_HAIKU,
        BytesSource("t", content),
        progress=lambda each: told.append((each.bytes_done, each.records)),
    )
    assert told[-1] == (len(content), 399)
    assert told == sorted(told)
    assert len(told) == -(-len(content) // 10_000)


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"\xff\xfe", "utf-16"),
        ("{}".encode("utf-16-le"), "utf-16"),
        ("{}".encode("utf-32-be"), "utf-16"),
        (b"\xef\xbb\xbf", "byte-order-mark"),
        (line(1) + b"\r\n" + line(2) + b"\r\n", "crlf"),
        (line(1) + b"\r" + line(2) + b"\r", "carriage-return"),
        (line(1).replace(b", ", b",\r"), "carriage-return"),
    ],
    ids=["bom 16", "no bom 16", "32", "bom 8", "crlf", "cr only", "cr between"],
)
def test_encodings_and_line_ends(start: bytes, code: str) -> None:
    report = check(CLAUDE_3_HAIKU, BytesSource("t", start + line(3) + b"\n"))
    assert (1, code) in [(each.line, each.code) for each in report.findings.kept]


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("s3://bucket/a/b-c_d.jsonl", False),
        ("s3://bucket/a b.jsonl", True),
        ("s3://bucket/x=1/a.jsonl", True),
        ("s3://bucket/データ.jsonl", True),
        ("local file.jsonl", False),
    ],
)
def test_keys_that_bedrock_refuses(name: str, *, refused: bool) -> None:
    report = check(CLAUDE_3_HAIKU, BytesSource(name, line(1)))
    assert ((name, "bad-key", "error") in report.findings.counts) == refused


def test_warnings_fail_where_they_are_told_to() -> None:
    content = b"\n".join([*(line(number) for number in range(40)), line(0)])
    source = BytesSource("t", content)
    assert check(CLAUDE_3_HAIKU, source).valid
    options = Options(warnings=False, fail_on=frozenset({"duplicate"}))
    assert not check(CLAUDE_3_HAIKU, source, options=options).valid


def test_problems_beyond_the_cap_are_counted_wherever_ranges_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges, "RANGE_BYTES", 2000)
    wrong = [{"role": "human", "content": "Q"}, {"role": "assistant", "content": "A"}]
    number = 3 * KEPT_PER_CODE
    content = (json.dumps({"messages": wrong}) + "\n{\n") * number
    report = check(
        CLAUDE_3_HAIKU, BytesSource("t", content.encode()), options=Options(warnings=False)
    )
    for code, first in (("role", 1), ("not-json", 2)):
        kept = [each.line for each in report.findings.kept if each.code == code]
        assert kept == [first + 2 * at for at in range(KEPT_PER_CODE)]
        assert report.findings.counts["t", code, "error"] == number
