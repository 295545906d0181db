"""What a rehearsal does with a deployment that its run keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local.clock import SimulatedClock
from local.rehearsal import hold
from local.rehearsal.hold import KeptDeployment
from local.rehearsal.rehearse import afterwards
from local.rehearsal.second_terminal import SecondTerminal

ARN = "arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/abcdefghijkl"
UNTIL = datetime(2026, 11, 30, 9, tzinfo=UTC)
TERMINAL = SecondTerminal("http://127.0.0.1:1", "us-east-1")


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(start=(UNTIL - timedelta(hours=24)).timestamp())


def attend(clock: SimulatedClock, *alive: str) -> bool:
    return KeptDeployment(ARN, UNTIL).attend(
        lambda: [*alive], clock=clock, terminal=TERMINAL, wait_minutes=5, reap_every_minutes=15
    )


@pytest.mark.parametrize(
    ("hosting", "text"),
    [({"afterwards": "Ask it: aws …"}, "\nAsk it: aws …\n\n"), ({"arn": "a"}, ""), ({}, "")],
)
def test_what_can_be_done_is_shown_as_the_manifest_has_it(
    hosting: dict[str, object], text: str
) -> None:
    assert afterwards(hosting) == text


def test_only_what_is_kept_is_asked() -> None:
    assert KeptDeployment.of({"arn": ARN, "kept_until": None}) is None
    assert KeptDeployment.of({}) is None
    found = KeptDeployment.of({"arn": ARN, "kept_until": UNTIL.isoformat()})
    assert found == KeptDeployment(ARN, UNTIL)


def test_where_nobody_can_ask_it_ends_with_the_offline_aws(
    clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert attend(clock, ARN)
    assert clock.time() < UNTIL.timestamp(), "no time is made to pass"
    assert f"Kept:    {ARN}" in capsys.readouterr().out


@pytest.mark.parametrize("alive", [(), (ARN,)])
def test_whoever_has_asked_sees_it_go_by_its_release_by(
    clock: SimulatedClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    alive: tuple[str, ...],
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(hold, "enter_pressed", lambda: True)
    assert attend(clock, *alive) is (not alive)
    assert clock.time() >= UNTIL.timestamp()
    said = capsys.readouterr().out
    assert "converse" in said
    assert ("STILL RUNNING" in said) is bool(alive)
