"""`python -m dataset review`: what is paid for, what is not paid for again, and the exit status."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dataset.__main__ import main
from dataset.commands import review as command
from lambdas.domain.data_review.tasks import CRITERIA, most_input_tokens, worst_usd
from lambdas.domain.models.lookup import find_model
from lambdas.validation import make_record
from tests.fakes.bedrock import FakeRuntime, question_in, tool_reply
from tests.fakes.offline_bedrock import Account

MODEL = "claude-3-haiku"


def usd(input_tokens: int, output_tokens: int) -> float:
    """Return what nova-pro's tokens cost, as the price book has them."""
    return (input_tokens * 0.0008 + output_tokens * 0.0032) / 1000


def scores(low: int, reason: str = "So so.") -> dict[str, Any]:
    return {**dict.fromkeys(CRITERIA, 9), "correct": low, "reason": reason}


def judged(request: Mapping[str, Any]) -> dict[str, Any]:
    bad = "bad" in question_in(request)
    return tool_reply(scores(2, "The year is wrong.") if bad else scores(8))


@pytest.fixture
def bedrock() -> FakeRuntime:
    return FakeRuntime(judged)


@pytest.fixture
def training(tmp_path: Path) -> Path:
    path = tmp_path / "training.jsonl"
    write(path, *(f"Question {number}?" for number in range(30)))
    return path


def write(path: Path, *questions: str) -> None:
    records = (make_record("claude-messages", "Be brief.", each, "It is so.") for each in questions)
    path.write_text("".join(json.dumps(each) + "\n" for each in records))


def run(bedrock: Any, training: Path, *more: str, screen: io.StringIO | None = None) -> int:
    console = Console(file=screen or io.StringIO(), force_terminal=screen is not None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "runtime_client", lambda _: bedrock)
        patch.setattr("dataset.generation.progress_bar.Console", lambda **_: console)
        return main(["review", "--model", MODEL, "--region", "us-west-2", *more, str(training)])


def worst(said: str) -> list[tuple[int, str]]:
    """Return the listed records, each its line and what is said of it."""
    lines = re.findall(r"^  line (\d+): (.*)", said, re.MULTILINE)
    return [(int(line), text) for line, text in lines]


def kept(training: Path) -> list[dict[str, Any]]:
    text = training.with_suffix(".review.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_every_record_is_reviewed_and_kept(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bedrock, training) == 0
    said = capsys.readouterr().out
    assert "30 of 30 records reviewed by nova-pro in us-west-2, 0 failed" in said
    assert "Mean score 8.00 of 10" in said
    assert sorted(each["line"] for each in kept(training)) == list(range(1, 31))
    first = min(kept(training), key=lambda each: each["line"])
    assert (first["prompt"], first["answer"], first["score"]) == ("Question 0?", "It is so.", 8)
    assert first["scores"] == {**dict.fromkeys(CRITERIA, 9), "correct": 8}
    assert (first["reason"], first["input_tokens"]) == ("So so.", 11)


def test_below_the_threshold_exits_with_1_and_shows_the_worst(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(training, "Fine?", "Very bad?", "Also bad?")
    assert run(bedrock, training) == 1
    said = capsys.readouterr().out
    assert "2 (66.7 %) score below 6" in said
    assert "line 2: 2 (correct 2, grounded 9, clear 9, consistent 9): The year is wrong." in said
    assert said.index("line 2:") < said.index("line 3:") < said.index("line 1:")
    assert run(bedrock, training, "--threshold", "4") == 0
    assert len(bedrock.called("Converse")) == 3, "another threshold costs nothing"


def test_no_request_is_made_that_could_pass_the_ceiling(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dear = {"inputTokens": 1500, "outputTokens": 500}
    bedrock.reply = lambda request: judged(request) | {"usage": dear}
    (worst,) = {worst_usd(most_input_tokens(each), usd) for each in tasks(training)[:1]}
    ceiling = 3.5 * worst
    assert run(bedrock, training, "--max-usd", str(ceiling)) == 0
    spent = sum(usd(each["input_tokens"], each["output_tokens"]) for each in kept(training))
    assert ceiling - worst < spent <= ceiling, "as much as possible, and no more"
    assert len(bedrock.called("Converse")) == len(kept(training)) < 30
    assert f"{30 - len(kept(training))} were not reviewed" in capsys.readouterr().out


def test_a_ceiling_below_one_record_asks_nothing(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bedrock, training, "--max-usd", "0.0001") == 2
    assert not bedrock.called("Converse")
    assert "No verdict: nothing was reviewed" in capsys.readouterr().out


def tasks(training: Path) -> list[Any]:
    return list(command.read_tasks(training, find_model(MODEL)))


def test_the_same_command_again_pays_for_nothing_twice(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(bedrock, training)
    first = capsys.readouterr().out
    assert run(bedrock, training) == 0
    assert capsys.readouterr().out == first
    assert len(bedrock.called("Converse")) == 30


def test_a_record_that_is_there_twice_is_paid_for_once(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(training, "First?", "First?", "Last?")
    assert run(bedrock, training, "--max-usd", "0.0001") == 2
    assert "3 were not reviewed" in capsys.readouterr().out
    assert run(bedrock, training) == 0
    assert len(bedrock.called("Converse")) == 2
    assert "3 of 3 records reviewed" in capsys.readouterr().out


def test_only_what_changed_is_asked_again_wherever_its_line_is(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(training, "First?", "bad one?", "Last?")
    assert run(bedrock, training, "--threshold", "7") == 1
    capsys.readouterr()
    write(training, "New?", "Last?", "First?")
    assert run(bedrock, training) == 0
    assert len(bedrock.called("Converse")) == 4
    assert [line for line, _ in worst(capsys.readouterr().out)] == [1, 2, 3]


def test_another_judge_reviews_for_itself(bedrock: FakeRuntime, training: Path) -> None:
    run(bedrock, training)
    run(bedrock, training, "--judge", "claude-haiku-4-5")
    assert len(bedrock.called("Converse")) == 60


def test_a_killed_command_loses_the_line_it_was_writing_only(
    bedrock: FakeRuntime, training: Path
) -> None:
    run(bedrock, training)
    out = training.with_suffix(".review.jsonl")
    whole = out.read_bytes()
    out.write_bytes(whole[: whole.rindex(b'"answer"')])
    assert run(bedrock, training) == 0
    assert len(bedrock.called("Converse")) == 31
    assert run(bedrock, training) == 0
    assert len(bedrock.called("Converse")) == 31


def test_a_complete_last_line_without_its_end_is_kept(bedrock: FakeRuntime, training: Path) -> None:
    run(bedrock, training)
    out = training.with_suffix(".review.jsonl")
    out.write_bytes(out.read_bytes().removesuffix(b"\n"))
    before = kept(training)
    write(training, *(f"Question {number}?" for number in range(31)))
    assert run(bedrock, training) == 0
    assert len(bedrock.called("Converse")) == 31
    assert kept(training)[:-1] == before


def test_a_file_of_someone_else_is_refused_and_left_as_it_is(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = training.with_suffix(".review.jsonl")
    for text in ('{"line": 1, "text": "mine"}', '{"line": 1, "text": "mine"}\nand no JSON'):
        own.write_text(text)
        assert run(bedrock, training) == 2
        assert "training.review.jsonl:1 was not written by this command" in capsys.readouterr().err
        assert own.read_text() == text


def test_failures_are_kept_with_their_cost_and_asked_again(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bedrock.reply = lambda _: tool_reply({"correct": 11})
    assert run(bedrock, training) == 2
    assert "No verdict: too many reviews failed" in capsys.readouterr().out
    assert all(each["error"].startswith("OutOfSchema") for each in kept(training))
    bedrock.reply = judged
    assert run(bedrock, training) == 0
    said = capsys.readouterr().out
    assert "30 of 30 records reviewed by nova-pro in us-west-2, 0 failed" in said
    assert f"have cost ${30 * usd(3 * 11, 3 * 7):.4f}." in said


def test_what_denies_all_ends_it_with_what_to_do(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bedrock.fail("Converse", *["AccessDeniedException"] * 30)
    assert run(bedrock, training) == 2
    assert "error: could not ask us.amazon.nova-pro-v1:0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "training.jsonl:1 is not a record in the claude-messages format"),
        ('{"prompt": "a", "completion": "b"}', "validate says what is wrong"),
    ],
)
def test_what_is_no_record_costs_nothing(
    content: str,
    says: str,
    bedrock: FakeRuntime,
    training: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    training.write_text(content)
    assert run(bedrock, training) == 2
    assert says in capsys.readouterr().err
    assert not bedrock.called("Converse")


def test_bad_usage_is_told_before_anything_is_asked(
    bedrock: FakeRuntime, training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bedrock, training, "--judge", "nova-prot") == 2
    assert "nova-pro" in capsys.readouterr().err
    for amount in ("0", "nan", "inf", "much"):
        with pytest.raises(SystemExit) as ended:
            run(bedrock, training, "--max-usd", amount)
        assert ended.value.code == 2
        assert f"--max-usd: {amount!r} is not an amount above 0" in capsys.readouterr().err
    assert run(bedrock, training.with_name("none.jsonl")) == 2
    assert "none.jsonl" in capsys.readouterr().err
    assert not bedrock.called("Converse")


def test_the_offline_bedrock_reviews(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(training, "What is so?", "Is it in Japanese?")
    text = training.read_text().replace("It is so.", "It is so and then it goes on with the", 1)
    training.write_text(text)
    assert run(Account().runtime, training) in {0, 1}
    [(line, said), *_] = worst(capsys.readouterr().out)
    assert line == 1
    assert "breaks off" in said


def test_a_terminal_has_a_bar(bedrock: FakeRuntime, training: Path) -> None:
    screen = io.StringIO()
    run(bedrock, training, screen=screen)
    assert "30/30" in screen.getvalue()
