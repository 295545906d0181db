"""Finds keys, tokens and passwords in a text.

A model repeats what it was trained on, so what must not be published must not be trained on. A
common pattern is not enough: rules need a known prefix, a word beside it or a checksum. Examples
from documentation are ignored. Nothing found is ever shown whole.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_SHOWN_CHARACTERS = 4
_LEAST_ENTROPY_BITS = 3.5  # per character; English words have about 3, random base64 almost 5
_PLACEHOLDERS = re.compile(
    r"example|placeholder|sample|dummy|changeme|redacted|your|xxxx|0000|1234567|abcdef|\*\*|\.\.\."
    r"|[<>{}$%]|password|secret",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Hit:
    """Something found; `shown` is the part that a message may show."""

    code: str
    what: str
    shown: str


@dataclass(frozen=True)
class Rule:
    """A pattern; its last group, else the whole match, is the secret if `is_real` says so."""

    code: str
    what: str
    needs: tuple[str, ...]  # unless empty, one of these must be in the text: a fast way out
    pattern: re.Pattern[str]
    is_real: Callable[[str], bool]


def find_secrets(text: str) -> Iterator[Hit]:
    """Yield the first hit of each rule in the text, without repeats."""
    shown: set[str] = set()
    for hit in first_hits(_RULES, text):
        if hit.shown not in shown:
            shown.add(hit.shown)
            yield hit


def first_hits(rules: Iterable[Rule], text: str) -> Iterator[Hit]:
    """Yield the first hit of each rule in the text."""
    for rule in rules:
        may_match = not rule.needs or any(needed in text for needed in rule.needs)
        if may_match and (hit := _first(rule, text)):
            yield hit


def masked(secret: str) -> str:
    """Show at most a quarter of a secret, and only the first characters of a long one."""
    kept = min(_SHOWN_CHARACTERS, len(secret) // 4)
    return f"{secret[:kept]}… ({len(secret)} characters)"


def _first(rule: Rule, text: str) -> Hit | None:
    for match in rule.pattern.finditer(text):
        secret = match.group(match.lastindex or 0)
        if rule.is_real(secret):
            return Hit(rule.code, rule.what, masked(secret))
    return None


def entropy_bits(text: str) -> float:
    """Return the entropy of the text in bits per character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())


def _real(secret: str) -> bool:
    return not _PLACEHOLDERS.search(secret)


def _random(secret: str) -> bool:
    mixed = any(each.isdigit() for each in secret) and any(each.isalpha() for each in secret)
    return mixed and _real(secret) and entropy_bits(secret) >= _LEAST_ENTROPY_BITS


def always(_: str) -> bool:
    return True


def _rule(what: str, needs: str, pattern: str, is_real: Callable[[str], bool] = _random) -> Rule:
    return Rule("secret", what, tuple(needs.split()), re.compile(pattern, re.ASCII), is_real)


_RULES = (
    _rule("an AWS access key id", "AKIA ASIA", r"\b((?:AKIA|ASIA)[A-Z2-7]{16})\b", _real),
    _rule(
        "an AWS secret access key",
        "ecret ECRET",
        r"(?i:secret_?-?(?:access)?_?-?key)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]{40})(?![\w/+=])",
    ),
    _rule(
        "a private key",
        "PRIVATE",
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s|\\n|[\w-]+: [^\n]{1,80}\n)*([A-Za-z0-9+/=]{32,})",
        always,
    ),
    _rule(
        "a GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    ),
    _rule("a GitLab token", "glpat-", r"\b(glpat-[\w-]{20,})"),
    _rule(
        "a Slack token",
        "xox hooks.slack.com",
        r"\b(xox[abeoprs]-[A-Za-z0-9-]{20,}|hooks\.slack\.com/services/T\w+/B\w+/\w{20,})",
    ),
    _rule("a live Stripe key", "sk_live_ rk_live_", r"\b([sr]k_live_[A-Za-z0-9]{20,})"),
    _rule("an Anthropic API key", "sk-ant-", r"\b(sk-ant-[A-Za-z0-9_-]{32,})"),
    _rule(
        "an OpenAI API key", "sk-", r"\b(sk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,})"
    ),
    _rule("a Google API key", "AIza GOCSPX-", r"\b(AIza[\w-]{35}|GOCSPX-[\w-]{28})(?![\w-])"),
    _rule("a JSON web token", "eyJ", r"\b(eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,})"),
    _rule(
        "a password in a URL",
        "://",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{1,64}:([^\s:/@\"'<>]{6,64})@[\w.-]+",
        lambda secret: _real(secret) and secret.casefold() != "hunter2",
    ),
    _rule(
        "a password or key",
        "assw ASSW ecret ECRET oken= oken: OKEN pi_key PI_KEY pi-key piKey ccess_key redential",
        r"(?i:passw(?:or)?d|passwd|secret|token|api[_-]?key|access[_-]?key|credential)s?[\"']?"
        r"\s{0,3}(?::=|[:=])\s{0,3}[\"']?([A-Za-z0-9+/_~!@#^&*.-]{16,})(?![\w(\[])",
    ),
)
