from __future__ import annotations

import io
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.aws.artefacts import ArtefactChanged, ArtefactMissing, Artefacts, split_lines
from lambdas.domain.errors import AccessDenied, ServiceUnavailable, Throttled
from tests.fakes.s3 import BUCKET, FakeS3, client_error


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3({"a/1": b"x\ny", "a/2": b"", "a/3": b"{}", "b/1": "é".encode()})


@pytest.fixture
def artefacts(s3: FakeS3) -> Artefacts:
    return Artefacts(BUCKET, s3)


def test_reads_what_was_written(artefacts: Artefacts, s3: FakeS3) -> None:
    assert artefacts.put_json("runs/r/losses.json", {"é": 1}) == "runs/r/losses.json"
    assert artefacts.read_json("runs/r/losses.json") == {"é": 1}
    assert "é" in artefacts.read_text("runs/r/losses.json")
    assert s3.content_types["runs/r/losses.json"] == "application/json"


def test_records_round_trip_a_line_each(artefacts: Artefacts) -> None:
    records = [{"a": "x\ny"}, {"b": "日本"}]
    artefacts.put_records("r.jsonl", records)
    assert artefacts.read_bytes("r.jsonl").count(b"\n") == 2
    assert list(artefacts.iter_records("r.jsonl")) == records


def test_a_lone_surrogate_is_written_as_its_escape(artefacts: Artefacts) -> None:
    artefacts.put_json("s.json", "\ud800")
    assert artefacts.read_bytes("s.json") == b'"\\ud800"\n'


def test_lists_all_pages(artefacts: Artefacts) -> None:
    assert artefacts.list_keys("a/") == ["a/1", "a/2", "a/3"]
    assert artefacts.list_keys("nothing/") == []


@pytest.mark.parametrize("read", ["read_bytes", "read_text", "read_json"])
def test_a_missing_object_is_named(artefacts: Artefacts, read: str) -> None:
    with pytest.raises(ArtefactMissing, match=f"s3://{BUCKET}/a/9 does not exist"):
        getattr(artefacts, read)("a/9")


def test_a_missing_object_is_named_when_streamed(artefacts: Artefacts) -> None:
    with pytest.raises(ArtefactMissing):
        list(artefacts.iter_lines("a/9"))


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDenied", 403, AccessDenied),
        ("403", 403, AccessDenied),
        ("SlowDown", 503, Throttled),
        ("InternalError", 500, ServiceUnavailable),
    ],
)
def test_errors_have_their_names(
    artefacts: Artefacts, s3: FakeS3, code: str, status: int, error: type[Exception]
) -> None:
    s3.failure = client_error(code, status)
    for act in (artefacts.read_bytes, artefacts.read_json, artefacts.list_keys):
        with pytest.raises(error, match=code):
            act("a/1")
    with pytest.raises(error):
        artefacts.put_bytes("a/1", b"")


def test_a_copy_has_the_hash_of_the_whole_object(artefacts: Artefacts, s3: FakeS3) -> None:
    source = artefacts.source("a/1", "1")
    copy = artefacts.copy(source, "c/1")
    assert (source.sha256, copy.sha256) == (None, sha256(b"x\ny").hexdigest())
    assert (copy.name, copy.size_bytes, s3.objects["c/1"]) == ("1", 3, b"x\ny")
    s3.objects["a/1"] = b"another"
    with pytest.raises(ArtefactChanged, match="a/1 was replaced while it was read"):
        artefacts.copy(source, "c/1")
    del s3.objects["a/1"]
    with pytest.raises(ArtefactChanged):
        artefacts.copy(source, "c/1")


def test_a_hash_of_the_hashes_of_parts_is_not_taken_for_one_of_the_object() -> None:
    class Multipart(FakeS3):
        def head_object(self, **asked: Any) -> dict[str, Any]:
            digest = f"{b64encode(sha256(b'parts').digest()).decode()}-2"
            found = {"ChecksumSHA256": digest, "ChecksumType": "COMPOSITE"}
            return super().head_object(**asked) | found

    assert Artefacts(BUCKET, Multipart({"a": b"x"})).source("a", "a").sha256 is None


def test_streams_lines_without_a_carriage_return_splitting_them(artefacts: Artefacts) -> None:
    artefacts.put_bytes("l", b"one\r\ntwo\rstill two\n\nlast")
    assert list(artefacts.iter_lines("l")) == [b"one\r", b"two\rstill two", b"", b"last"]


def test_a_long_line_is_cut_and_the_next_is_whole(artefacts: Artefacts) -> None:
    artefacts.put_bytes("l", b"12345\n" + b"x" * 3_000_000 + b"\n12345")
    lines = list(artefacts.iter_lines("l", max_line_bytes=5))
    assert lines == [b"12345", b"xxxxxx", b"12345"]


@pytest.mark.slow
@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), min_size=1))
def test_lines_are_those_of_split(lines: list[bytes]) -> None:
    data = b"\n".join(lines) + b"\n"
    assert list(split_lines(io.BytesIO(data), None)) == lines
    cut = list(split_lines(io.BytesIO(data), 4))
    assert cut == [line[:5] for line in lines]


def test_a_part_is_read_on_from_where_a_connection_broke() -> None:
    class Breaking(FakeS3):
        asked: list[str] = []  # noqa: RUF012  # of one object

        def get_object(self, **asked: Any) -> dict[str, Any]:
            self.asked.append(asked["Range"])
            answer = super().get_object(**asked)
            if len(self.asked) < 3:
                answer["Body"] = io.BytesIO(answer["Body"].read()[:2])
            return answer

    s3 = Breaking({"a": b"0123456789"})
    assert Artefacts(BUCKET, s3).source("a", "a").read(1, 9) == b"12345678"
    assert s3.asked == ["bytes=1-8", "bytes=3-8", "bytes=5-8"]
