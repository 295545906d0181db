"""Finds keys, tokens and passwords in a text.

A model repeats what it was trained on, so what must not be published must not be trained on. A
common pattern is not enough: rules need a known prefix, a word beside it or a checksum. Examples
from documentation are ignored. Nothing found is ever shown whole.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_SHOWN_CHARACTERS = 4
_LEAST_ENTROPY_BITS = 3.5  # per character; English words have about 3, random base64 almost 5
_SAMPLES = (
    r"example|placeholder|sample|dummy|changeme|p@ss|mypass|redacted|your|xxxx|0000|\*\*|\.\.\."
    r"|[<>{}$%]"
)
_PLACEHOLDERS = re.compile(_SAMPLES + r"|1234567|abcdef|password|secret", re.IGNORECASE)
_TOKEN_PLACEHOLDERS = re.compile(_SAMPLES, re.IGNORECASE)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:[_.-][a-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]+)+")
_DIGIT = re.compile(r"\d", re.ASCII)
_LONG_WORD = re.compile(r"[!-~]{20,}+")  # as tokens are at least


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


def secret_rules(text: str) -> list[Rule]:
    """Return the rules that can hit in the text or a part of it: as a rule, few."""
    if not _DIGIT.search(text):
        return possible_rules(_WITHOUT_DIGITS, text)
    words = " ".join(_LONG_WORD.findall(text))
    return (possible_rules(_TOKEN_RULES, words) if words else []) + possible_rules(_RULES, text)


def first_hits(rules: Iterable[Rule], text: str) -> Iterable[Hit]:
    """Return the first hit of each rule in the text; of several rules for one word, the first."""
    found: dict[tuple[str, str], Hit] = {}
    for rule in rules:
        words = (match.group(match.lastindex or 0) for match in rule.pattern.finditer(text))
        if (secret := next(filter(rule.is_real, words), None)) is not None:
            shown = masked(secret)
            found.setdefault((rule.code, shown), Hit(rule.code, rule.what, shown))
    return found.values()


def possible_rules(rules: Iterable[Rule], text: str) -> list[Rule]:
    """Return the rules without needs and those of which the text has one."""
    return [rule for rule in rules if not rule.needs or any(map(text.__contains__, rule.needs))]


def masked(secret: str) -> str:
    """Show at most a quarter of a secret, and only the first characters of a long one."""
    kept = min(_SHOWN_CHARACTERS, len(secret) // 4)
    return f"{secret[:kept]}… ({len(secret)} characters)"


def entropy_bits(text: str) -> float:
    """Return the entropy of the text in bits per character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())


def _real(secret: str) -> bool:
    return not _PLACEHOLDERS.search(secret)


def _is_mixed(secret: str) -> bool:
    return any(each.isdigit() for each in secret) and any(each.isalpha() for each in secret)


def _random(secret: str) -> bool:
    return _is_mixed(secret) and _real(secret) and entropy_bits(secret) >= _LEAST_ENTROPY_BITS


def _token(secret: str) -> bool:
    """Return whether what has a token's prefix and length is one, not the sample of a manual."""
    return _is_mixed(secret) and not _TOKEN_PLACEHOLDERS.search(secret)


def _aws_key(secret: str) -> bool:
    """Return whether 40 characters are random base64: a hash in hexadecimal is not."""
    return _random(secret) and secret.upper() != secret != secret.lower()


def _password(secret: str) -> bool:
    """Return whether a word after "password" is one: a name in code is not."""
    return _is_mixed(secret) and _real(secret) and not _IDENTIFIER.fullmatch(secret)


def always(_: str) -> bool:
    return True


def make_rule(
    what: str,
    needs: str,
    pattern: str,
    is_real: Callable[[str], bool] = _random,
    code: str = "secret",
) -> Rule:
    """Return a rule; `needs` are separated by spaces."""
    # ASCII: a letter of another script ends a word or a number, as Japanese has no spaces.
    return Rule(code, what, tuple(needs.split()), re.compile(pattern, re.ASCII), is_real)


# Tokens by the prefix that their issuer gives them: what they are, what they contain, their form.
_TOKENS = (
    ("an AWS access key id", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    ("an Amazon Bedrock API key", "ABSK bedrock-api-key-",
     r"(?:ABSK|bedrock-api-key-)[\w+/=]{60,}"),
    ("a GitHub token", "gh github_pat_", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}"),
    ("a GitLab token", "gl", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[\w-]{20,}"),
    ("a Slack token", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{20,}"),
    ("a Slack webhook", "hooks.slack", r"hooks\.slack\.com/services/T\w+/B\w+/\w{20,}"),
    ("a Discord webhook", "webhooks/", r"discord(?:app)?\.com/api/webhooks/\d+/[\w-]{60,}"),
    ("a Telegram token", ":AA", r"\d{8,10}:AA[\w-]{33}(?![\w-])"),
    ("a live Stripe key", "k_live_ whsec_",
     r"[sr]k_live_[A-Za-z0-9]{20,}|whsec_[A-Za-z0-9+/]{32,}"),
    ("an Anthropic API key", "sk-ant-", r"sk-ant-[\w-]{32,}"),
    ("an OpenAI API key", "sk-", r"sk-(?!ant-)(?:proj-|svcacct-|admin-)?[\w-]{32,}"),
    ("a Google API key", "AIza GOCSPX- ya29.",
     r"AIza[\w-]{35}(?![\w-])|GOCSPX-[\w-]{28}|ya29\.[\w-]{30,}"),
    ("a SendGrid key", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    ("a Twilio key", "SK", r"SK[0-9a-f]{32}(?!\w)"),
    ("a Mailchimp or Mailgun key", "-us key-", r"[0-9a-f]{32}-us\d{1,2}|key-[0-9a-f]{32}(?!\w)"),
    ("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    ("a PyPI token", "pypi-", r"pypi-[\w-]{60,}"),
    ("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}"),
    ("a Databricks token", "dapi", r"dapi[0-9a-f]{32}"),
    ("a DigitalOcean token", "_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    ("a Shopify token", "shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("a Square token", "sq0 EAAA", r"sq0(?:atp|csp)-[\w-]{22,}|EAAA[\w-]{60}"),
    ("a HashiCorp token", "hvs. hvb. .atlasv1.", r"hv[sb]\.[\w-]{24,}|\w{14}\.atlasv1\.[\w-]{60,}"),
    ("a Groq or xAI key", "gsk_ xai-", r"gsk_[A-Za-z0-9]{48,}|xai-[A-Za-z0-9]{60,}"),
    ("a Notion, Linear or Grafana token", "ntn_ lin_api_ glsa_", r"(?:ntn_|lin_api_|glsa_)\w{32,}"),
    ("an Azure client secret", "Q~", r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}"),
    ("a JSON web token", "eyJ", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
)  # fmt: skip
_ASSIGNED = r"[\"']?\s{0,3}(?::=|[:=\uff1a]|\bis\b|は)\s{0,3}[\"'`「]?"
_TOKEN_RULES = [
    make_rule(what, needs, rf"(?<![\w-])({form})", _token) for what, needs, form in _TOKENS
]
_RULES = (
    make_rule(
        "an AWS secret access key",
        "ecret ECRET AKIA aws AWS",
        r"(?:(?i:secret)|AKIA[A-Z2-7]{16}|(?i:aws)[ _-])[^\n]{0,80}?"
        r"(?<![\w/+=.-])([A-Za-z0-9/+]{40})(?![\w/+=])",
        _aws_key,
    ),
    make_rule(
        "a private key",
        "PRIVATE PRIVATE-KEY AGE-SECRET",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s|\\n|[\w-]+: [^\n]{1,80}\n)*([A-Za-z0-9+/=]{32,})|(AGE-SECRET-KEY-1[A-Z0-9]{50,})",
        always,
    ),
    make_rule(
        "a password in a URL",
        "://",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,64}:([^\s:/@\"'<>]{6,64})@[\w.-]+",
        lambda secret: _real(secret) and secret.casefold() != "hunter2",
    ),
    make_rule(
        "a key in a connection string",
        "Key= sig=",
        r"(?:AccountKey|SharedAccessKey|[?&]sig)=([A-Za-z0-9+/%]{30,}={0,2})",
        _token,
    ),
    make_rule(
        "an authorization header",
        "earer asic",
        r"(?:[Bb]earer|[Bb]asic)\s+([A-Za-z0-9._~+/-]{20,}={0,2})(?![\w(\[])",
    ),
    make_rule(
        "a password",
        "assw ASSW assphrase ASSPHRASE asscode ASSCODE pwd PWD Pwd パスワード",
        r"(?<!enc_)(?<!encrypted_)(?<!hashed_)"
        r"(?i:passw(?:or)?d|passwd|passphrase|passcode|pwd|パスワード)"
        rf"{_ASSIGNED}([!#-&*+./0-:=?-Z\\^_a-z|~-]{{8,64}})(?![\w(\[])",
        _password,
    ),
    make_rule(
        "a key or token",
        "ecret ECRET oken OKEN key Key KEY redential REDENTIAL",
        r"(?i:(?:secret|token|api[ _-]?key|access[ _-]?key|auth[ _-]?key|credential)s?"
        r"(?:[ _-][a-z]+)?)"
        rf"{_ASSIGNED}([A-Za-z0-9+/_~!@#^&*.-]{{16,}})(?![\w(\[])",
        lambda secret: _random(secret) and not _IDENTIFIER.fullmatch(secret),
    ),
)
_WITHOUT_DIGITS = tuple(  # any other secret has a digit
    rule for rule in _RULES if rule.what in {"a private key", "a password in a URL"}
)
