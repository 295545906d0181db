"""Every code that a finding can have: severity, meaning, what to do about it, and whose rule it is.

A finding says what its code says, unless it knows better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

Severity = Literal["error", "warning"]
Origin = Literal["documented", "AWS's validator", "this project"]


@dataclass(frozen=True)
class Code:
    """One kind of finding."""

    severity: Severity
    origin: Origin  # AWS's documentation, AWS's published checkers, or this project
    meaning: str
    fix: str
    warns_when: str = ""  # when the code is only a warning; empty: never


def _codes(severity: Severity, origin: Origin, table: str) -> dict[str, Code]:
    """Read a table of `code: meaning -> fix`; an indented line belongs to the one before."""
    rows = re.findall(r"(\S+): (.*) -> (.*)", re.sub(r"\n +", " ", table))
    return {code: Code(severity, origin, meaning, fix) for code, meaning, fix in rows}


_DOCUMENTED = _codes(
    "error",
    "documented",
    """
bad-key: the S3 key is empty or has a character that Bedrock refuses
    -> use only letters without accents, digits, and _ - / .
file-too-large: the file has more bytes than the service accepts; lines are not checked
    -> remove records; the lines were not checked
too-few-records: the file has fewer records than the service needs -> add records
too-many-records: the file, or training and validation together, has more than it accepts
    -> remove records
too-many-tokens: by the lower estimate the record exceeds the model's limit
    -> shorten or split the record
not-json: the line is not JSON, or is nested too deeply -> write one JSON object per line
not-an-object: the line is JSON but not an object -> write one JSON object per line
wrong-format: the record is evidently in another format
    -> give {"id": …, "question": …, "reference_answer": …}
unknown-key: the format does not have this key -> remove it
schema-version: `schemaVersion` is missing or not a text
    -> write "schemaVersion": "bedrock-conversation-2024"
messages: `messages` is missing or not a list -> give a list of messages
too-few-messages: there are fewer than two messages -> give one of the user and one of the assistant
message: a message is not an object -> give {"role": …, "content": …}
role: a role is missing, or neither user nor assistant -> write user or assistant
first-role: the assistant speaks first -> begin with the user
last-role: the user speaks last -> end with the assistant's answer
role-repeats: two messages of one role follow each other
    -> make user and assistant alternate: merge the two, or add the missing one
not-text: a required text is missing, null or of another type -> give text
not-a-list: a required list of content blocks is missing, null or of another type
    -> give [{"text": …}]
content-block: a content block is not an object -> give {"text": …}
empty: a list is empty, or a text has no visible character -> fill it, or drop the record
reserved-word: a text contains a word of the model's own prompt format -> rephrase it
""",
)
_OWN = _codes(
    "error",
    "this project",
    """
line-too-long: the line is longer than any record can be; it is not read into memory
    -> check that each record is on a line of its own
utf-16: the file is in UTF-16 or UTF-32, not in UTF-8 -> save it as UTF-8; no line was checked
not-utf-8: the line is not UTF-8 -> save the file as UTF-8
byte-order-mark: the file starts with a byte order mark -> save it without one
blank-line: the line is blank -> remove it
carriage-return: the line contains a carriage return, which some readers take as its end
    -> end lines in a line feed only, and write a line break in a text as \\n
duplicate-key: an object has one key twice; readers silently keep one of the two -> keep one of them
lone-surrogate: a text contains a lone surrogate, which is not a character
    -> repair or remove the escape \\ud8xx…\\udfxx
duplicate-id: two examples of a file of questions have one id -> give each example its own
does-not-fit: by the lowest estimate the model cannot read the question, or the judge the question
    and its answers
    -> shorten the question or its reference answer
answer-schema: answer.schema.json is no JSON Schema that answers can be held against, or the
    metric json-schema has none
    -> correct the schema; no reference was held against it
not-of-schema: a reference answer is not JSON that answer.schema.json allows
    -> correct the reference, or the schema
id-too-long: the id of an example is longer than 128 characters -> use at most 128
""",
)
_WARNINGS = _codes(
    "warning",
    "this project",
    """
crlf: lines end in a carriage return and a line feed; the finding names the first
    -> end lines in a line feed only
maybe-too-many-tokens: by the upper estimate the record exceeds the model's limit
    -> shorten or split the record if the job refuses it
duplicate: the same record occurs earlier in the file -> keep one, unless intended
repeated-prompt: the same prompt, with another answer, occurs earlier in the file
    -> keep the better answer
leak: the same prompt occurs in another file, alone, as a question of a conversation, or behind a
    system prompt and a blank line, so that it measures memorization
    -> rephrase or remove one of the two
near-duplicate: nearly the same record occurs earlier in the file
    -> keep one, unless intended: repeated records weigh more in training
near-leak: nearly the same prompt occurs in another file -> rephrase or remove one of the two
answer-leak: nearly the same longer answer occurs in another file
    -> rephrase or remove one of the two
several-system-prompts: the training records have different system prompts
    -> use one in training, and the same for evaluation
other-system-prompt: no training record has the system prompt that evaluation will use
    -> use the prompt that the model was trained with
not-compared: records beyond a limit, or similar to very many, were not compared with all
    -> check these yourself: near-duplicates and leaks among them may be missing here
short-answer: an answer is far shorter than the others -> check that it is complete
long-answer: an answer is far longer than the others -> check that it is one answer
truncated-answer: an answer looks cut off -> check that it is complete
language-mix: an answer is not in the language of almost all training answers
    -> translate or remove it, unless the model is to answer in both
secret: a text contains what looks like a key, a token or a password -> remove it, and revoke it
email-address: a text contains an e-mail address -> replace it with made-up data
phone-number: a text contains what looks like a telephone number -> replace it with made-up data
card-number: a text contains a payment card number with a valid checksum
    -> replace it with made-up data
identity-number: a text contains an identity, tax or bank account number
    -> replace it with made-up data
personal-data: Amazon Comprehend finds a name, an address or other personal data
    -> replace it with made-up data, unless it is public
not-screened: Amazon Comprehend did not check all records: language, budget or throttling
    -> raise the budget, or check the others yourself
tight-answers: a reference answer comes near `max_answer_tokens`, or exceeds it: answers as long
    are cut off
    -> raise max_answer_tokens, or shorten the reference
thin-topic: too few training records are on the topic of an evaluation question
    -> add training records on it, or expect a weak answer
""",
)
_RESERVED = "only AWS's validator refuses the word, not the documentation"
_MIXED = {"reserved-word": replace(_DOCUMENTED["reserved-word"], warns_when=_RESERVED)}

CODES: Mapping[str, Code] = MappingProxyType({**_DOCUMENTED, **_OWN, **_MIXED, **_WARNINGS})
WARNINGS = frozenset(
    name for name, code in CODES.items() if code.severity == "warning" or code.warns_when
)
