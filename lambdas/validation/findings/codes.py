"""Every code that a finding can have: how grave it is, what it means and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lambdas.validation.jsonl.problems import Severity

Origin = Literal["documented", "AWS's validator", "this project"]


@dataclass(frozen=True)
class Code:
    """One kind of finding."""

    severity: Severity
    meaning: str
    origin: Origin  # AWS's documentation, AWS's published checkers, or this project's judgement
    warns_when: str = ""  # when an error of this code is only a warning; empty: never


def _errors(origin: Origin, **meanings: str) -> dict[str, Code]:
    return {_code(name): Code("error", meaning, origin) for name, meaning in meanings.items()}


def _warnings(**meanings: str) -> dict[str, Code]:
    return {
        _code(name): Code("warning", meaning, "this project") for name, meaning in meanings.items()
    }


def _code(name: str) -> str:
    return name.replace("_", "-")


_FILE = _errors(
    "documented",
    bad_key="the S3 key or URI holds a character that Bedrock refuses",
    file_too_large="the file has more bytes than the service takes; its lines are not checked",
    too_few_records="the file has fewer records than the service needs",
    too_many_records="the file, or training and validation together, has more than it takes",
    too_many_tokens="even by six characters a token the record is longer than the model takes",
)
_LINE = _errors(
    "documented",
    not_json="the line is no JSON, or is nested too deeply",
    not_an_object="the line holds JSON other than an object",
    wrong_format="the record is evidently in another format",
    unknown_key="the format knows no such key",
    messages="`messages` is missing or no list",
    too_few_messages="there are fewer than two messages",
    message="a message is no object",
    role="a role is missing, or neither user nor assistant",
    first_role="the assistant speaks first",
    last_role="the user speaks last",
    role_repeats="two messages of one role follow each other",
    not_text="what must be text is missing, null or of another type",
    not_a_list="what must be a list of content blocks is missing, null or of another type",
    content_block="a content block is no object",
    empty="a text or a list is empty, or the text shows nothing",
)
_ENCODING = _errors(
    "this project",
    line_too_long="the line is longer than any record can be; it is not read into memory",
    utf_16="the file is in UTF-16 or UTF-32, not in UTF-8",
    not_utf_8="the line holds bytes that are no UTF-8",
    byte_order_mark="the file starts with a byte order mark",
    blank_line="the line is blank",
    carriage_return="a carriage return stands within the line: some readers end the line there",
    duplicate_key="an object holds one key twice; readers silently keep one of the two",
    lone_surrogate="a text holds half a surrogate pair, which is no character",
)
_MIXED = {
    "schema-version": Code(
        "error",
        "`schemaVersion` is missing, no text, or not bedrock-conversation-2024",
        "documented",
        "it is another text: AWS documents one value, but not that others fail",
    ),
    "reserved-word": Code(
        "error",
        "a text holds a word of the model's own prompt format",
        "documented",
        "only AWS's validator refuses the word, not the documentation",
    ),
}
_EVALUATION = _errors(
    "this project",
    duplicate_id="two evaluation examples have one id",
    id_too_long="the id of an evaluation example is longer than 128 characters",
)
_ADVICE = _warnings(
    crlf="lines end in a carriage return and a line feed; the first such line is named",
    maybe_too_many_tokens="by the upper estimate the record is longer than the model takes",
    duplicate="the same record stands earlier in the file",
    repeated_prompt="the same prompt, with another answer, stands earlier in the file",
    leak="the same prompt stands in another file, so that it measures memory",
    near_duplicate="nearly the same record stands earlier in the file",
    near_leak="nearly the same prompt stands in another file",
    several_system_prompts="the training records have different system prompts",
    other_system_prompt="no training record has the system prompt that answers are asked with",
    not_compared="records, or some that resemble very many others, were not compared with all",
    short_answer="an answer is far shorter than the others",
    long_answer="an answer is far longer than the others",
    truncated_answer="an answer looks cut off",
    language_mix="a record's language is not that of the others, or not that of its question",
    secret="a text holds what looks like a key, a token or a password",  # noqa: S106  # a meaning
    email_address="a text holds an e-mail address",
    phone_number="a text holds what looks like a telephone number",
    card_number="a text holds a payment card number; its checksum is right",
    identity_number="a text holds a passport, tax or other identity number; its checksum is right",
    personal_data="Amazon Comprehend finds a name, an address or other personal data",
    not_screened="Amazon Comprehend did not look at all records: languages, ceiling or throttling",
    thin_topic="a topic has too few training records to be learned",
)

CODES: Mapping[str, Code] = MappingProxyType(
    {**_FILE, **_LINE, **_ENCODING, **_MIXED, **_EVALUATION, **_ADVICE}
)
WARNINGS = frozenset(
    name for name, code in CODES.items() if code.severity == "warning" or code.warns_when
)
