"""What a mail offers to decide on."""

from __future__ import annotations

from datetime import timedelta

from lambdas.domain.approval import decisions
from local.rehearsal.mails import Mail
from tests.factories import NOW, QUOTED, run

DECIDE = "arn:aws:states:us-west-2:123456789012:stateMachine:bedrock-tuning-dev-decide-spend"


def test_the_approvers_mail_offers_both_decisions_ready_to_start_with() -> None:
    text = decisions.body(run(), QUOTED, NOW + timedelta(hours=24), DECIDE)
    offered = Mail("approve?", text, "2026-11-23T09:30:00Z").decisions
    assert {*offered} == {"approve", "reject"}
    for decision, given in offered.items():
        assert (given.run, given.quote_sha256) == (run().name, QUOTED.quote_sha256)
        assert given.decision == decision


def test_other_mails_offer_none() -> None:
    assert Mail("done", 'A run ended.\nIts input: {"a": 1}\n', "").decisions == {}
