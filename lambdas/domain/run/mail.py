"""What all mails have in common: a subject that SNS takes, and the mark of a rehearsal.

`lambdas.aws.topic` applies it to every mail, by the account of the topic.
"""

from __future__ import annotations

from lambdas.domain.run.names import PROJECT

# ASCII without line breaks or control characters, and fewer than 100 of them:
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (read 2026-11-28)
MAX_SUBJECT_LENGTH = 99


def subject(text: str, *, rehearsal: bool) -> str:
    """Return a subject that SNS accepts, after the project's prefix."""
    prefix = f"[rehearsal] [{PROJECT}] " if rehearsal else f"[{PROJECT}] "
    printable = "".join(char if " " <= char <= "~" else "?" for char in prefix + text)
    return printable[:MAX_SUBJECT_LENGTH].rstrip()


def body(text: str, *, rehearsal: bool) -> str:
    mark = "This is a rehearsal: nothing was trained or billed on AWS.\n\n" if rehearsal else ""
    return mark + text
