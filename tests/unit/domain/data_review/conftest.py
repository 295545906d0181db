from __future__ import annotations

import pytest

from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import FakeRuntime, install
from tests.fakes.s3 import FakeS3
from tests.unit.domain.data_review.made_up_records import TRAINING, dislikes_bad, lines, record


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    monkeypatch.setenv("PRICE_OVERRIDES", "{}")
    fake = FakeS3(frozen={TRAINING: lines(*(record(f"Question {n}?") for n in range(40)))})
    fakes_s3.install(monkeypatch, fake)
    return fake


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    fake = FakeRuntime(dislikes_bad)
    install(monkeypatch, bedrock_runtime=fake)
    monkeypatch.setattr("lambdas.aws.converse.BACKOFF_SECONDS", ())
    return fake
