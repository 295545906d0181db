"""Every code that a finding can have: its severity, its meaning and its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lambdas.validation.jsonl.findings import Severity

Origin = Literal["documented", "AWS's validator", "this project"]


@dataclass(frozen=True)
class Code:
    """One kind of finding."""

    severity: Severity
    meaning: str
    origin: Origin  # AWS's documentation, AWS's published checkers, or this project
    warns_when: str = ""  # when the code is only a warning; empty: never


def _codes(severity: Severity, origin: Origin, /, **meanings: str) -> dict[str, Code]:
    return {
        name.replace("_", "-"): Code(severity, meaning, origin)
        for name, meaning in meanings.items()
    }


_DOCUMENTED = _codes(
    "error",
    "documented",
    bad_key="the S3 key is empty or has a character that Bedrock refuses",
    file_too_large="the file has more bytes than the service accepts; lines are not checked",
    too_few_records="the file has fewer records than the service needs",
    too_many_records="the file, or training and validation together, has more than it accepts",
    too_many_tokens="by the lower estimate the record exceeds the model's limit",
    not_json="the line is not JSON, or is nested too deeply",
    not_an_object="the line is JSON but not an object",
    wrong_format="the record is evidently in another format",
    unknown_key="the format does not have this key",
    schema_version="`schemaVersion` is missing or not a text",
    messages="`messages` is missing or not a list",
    too_few_messages="there are fewer than two messages",
    message="a message is not an object",
    role="a role is missing, or neither user nor assistant",
    first_role="the assistant speaks first",
    last_role="the user speaks last",
    role_repeats="two messages of one role follow each other",
    not_text="a required text is missing, null or of another type",
    not_a_list="a required list of content blocks is missing, null or of another type",
    content_block="a content block is not an object",
    empty="a list is empty, or a text has no visible character",
)
_ENCODING = _codes(
    "error",
    "this project",
    line_too_long="the line is longer than any record can be; it is not read into memory",
    utf_16="the file is in UTF-16 or UTF-32, not in UTF-8",
    not_utf_8="the line is not UTF-8",
    byte_order_mark="the file starts with a byte order mark",
    blank_line="the line is blank",
    carriage_return="the line contains a carriage return, which some readers take as its end",
    duplicate_key="an object has one key twice; readers silently keep one of the two",
    lone_surrogate="a text contains a lone surrogate, which is not a character",
)
_MIXED = {
    "reserved-word": Code(
        "error",
        "a text contains a word of the model's own prompt format",
        "documented",
        "only AWS's validator refuses the word, not the documentation",
    ),
}
_EVALUATION = _codes(
    "error",
    "this project",
    duplicate_id="two examples of a file of questions have one id",
    does_not_fit="by the lowest estimate the model cannot read the question, or the judge the "
    "question and its answers",
    answer_schema="answer.schema.json is no JSON Schema that answers can be held against, or the "
    "metric json-schema has none",
    not_of_schema="a reference answer is not JSON that answer.schema.json allows",
    id_too_long="the id of an example is longer than 128 characters",
)
_WARNINGS = _codes(
    "warning",
    "this project",
    crlf="lines end in a carriage return and a line feed; the finding names the first",
    maybe_too_many_tokens="by the upper estimate the record exceeds the model's limit",
    duplicate="the same record occurs earlier in the file",
    repeated_prompt="the same prompt, with another answer, occurs earlier in the file",
    leak="the same prompt occurs in another file, alone, as a question of a conversation, or "
    "behind a system prompt and a blank line, so that it measures memorization",
    near_duplicate="nearly the same record occurs earlier in the file",
    near_leak="nearly the same prompt occurs in another file",
    answer_leak="nearly the same longer answer occurs in another file",
    several_system_prompts="the training records have different system prompts",
    other_system_prompt="no training record has the system prompt that evaluation will use",
    not_compared="records beyond a limit, or similar to very many, were not compared with all",
    short_answer="an answer is far shorter than the others",
    long_answer="an answer is far longer than the others",
    truncated_answer="an answer looks cut off",
    language_mix="an answer is not in the language of almost all training answers",
    secret="a text contains what looks like a key, a token or a password",  # noqa: S106  # a meaning
    email_address="a text contains an e-mail address",
    phone_number="a text contains what looks like a telephone number",
    card_number="a text contains a payment card number with a valid checksum",
    identity_number="a text contains an identity, tax or bank account number",
    personal_data="Amazon Comprehend finds a name, an address or other personal data",
    not_screened="Amazon Comprehend did not check all records: language, budget or throttling",
    tight_answers="reference answers come near `max_answer_tokens`, or exceed it: answers as long "
    "are cut off; the finding names the longest",
    thin_topic="too few training records are on the topic of an evaluation question",
)

CODES: Mapping[str, Code] = MappingProxyType(
    {**_DOCUMENTED, **_ENCODING, **_MIXED, **_EVALUATION, **_WARNINGS}
)
WARNINGS = frozenset(
    name for name, code in CODES.items() if code.severity == "warning" or code.warns_when
)
