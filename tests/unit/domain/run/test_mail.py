"""Subjects are what SNS accepts, whatever they are made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.run import mail


@given(text=st.text(max_size=300), rehearsal=st.booleans())
def test_a_subject_is_short_printable_ascii(text: str, *, rehearsal: bool) -> None:
    made = mail.subject(text, rehearsal=rehearsal)
    assert len(made) < 100
    assert made.isascii()
    assert made.isprintable()
    assert made.startswith("[rehearsal] [bedrock-tuning]" if rehearsal else "[bedrock-tuning]")
