"""Secrets and personal data: what is found, what is not, and that nothing found is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.validation.warnings.personal_data import (
    cpf,
    half_width,
    iban,
    luhn,
    my_number,
    personal_data_rules,
    resident_number,
)
from lambdas.validation.warnings.secrets import Hit, entropy_bits, first_hits, masked, secret_rules
from tests.article import ARTICLE, needs_article
from tests.repository import DATASET

RANDOM = "q7Zr2Vd9Kx4Mw8Tn5Bj3Hs6Pf1Gy0Lc9Qa2We8Ru"  # 41 letters and digits of no meaning

HEX = "9f86d081884c7d659a2feaf0c55ad015a3bf4f1b2b0b822cd15d6c15b0f07b68"
LONG = RANDOM + RANDOM[::-1]

# Written in two parts, so that no scanner takes this file for a leak.
SECRETS = (
    ("an AWS access key id", "AKIA" + "Q3EGR7ZLTN5WXB2P"),
    ("an AWS secret access key", 'aws_secret_access_key = "' + RANDOM[:40] + '"'),
    ("an AWS secret access key", "the secret is wJalrXUtnFEMI/" + "K7MDENG/bPxRfiCYzR8kQp2TuV"),
    ("an AWS secret access key", "AWS credentials: Zx9/Kq" + "+" + RANDOM[:33]),
    ("an Amazon Bedrock API key", "ABSK" + LONG),
    ("a private key", "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow" + RANDOM * 2),
    ("a private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n" + RANDOM),
    ("a private key", "AGE-SECRET-KEY-1" + RANDOM.upper() + RANDOM.upper()[:18]),
    ("a GitHub token", "ghp_" + RANDOM[:36]),
    ("a GitHub token", "github_pat_" + LONG),
    ("a GitLab token", "glpat-" + RANDOM[:20]),
    ("a Slack token", "xoxb-" + "2048573920-" + RANDOM[:24]),
    ("a Slack token", "xapp-1-" + RANDOM),
    ("a Slack webhook", "https://hooks.slack.com/services/T02AB/B03CD/" + RANDOM[:24]),
    ("a Discord webhook", "https://discord.com/api/webhooks/8412/" + LONG[:68]),
    ("a Telegram token", "5823119024:AA" + RANDOM[:33]),
    ("a live Stripe key", "sk_live_" + RANDOM[:24]),
    ("a live Stripe key", "whsec_" + RANDOM[:32]),
    ("an Anthropic API key", "sk-ant-" + "api03-" + RANDOM),
    ("an OpenAI API key", "sk-proj-" + RANDOM),
    ("an OpenAI API key", "sk-proj-" + "abcdefghijklmnopqrstuvwxyz0123456789abcd"),
    ("an OpenAI API key", "sk-" + LONG[:48]),
    ("a Google API key", "AIza" + RANDOM[:35]),
    ("a Google API key", "GOCSPX-" + RANDOM[:28]),
    ("a Google API key", "ya29." + RANDOM),
    ("a SendGrid key", "SG." + RANDOM[:22] + "." + LONG[:43]),
    ("a Twilio key", "SK" + HEX[:32]),
    ("a Mailchimp or Mailgun key", HEX[:32] + "-us14"),
    ("a Mailchimp or Mailgun key", "key-" + HEX[:32]),
    ("an npm token", "npm_" + RANDOM[:36]),
    ("a PyPI token", "pypi-" + LONG),
    ("a Hugging Face token", "hf_" + RANDOM[:34]),
    ("a Databricks token", "dapi" + HEX[:32]),
    ("a DigitalOcean token", "dop_v1_" + HEX),
    ("a Shopify token", "shpat_" + HEX[:32]),
    ("a Square token", "sq0atp-" + RANDOM[:22]),
    ("a HashiCorp token", "hvs." + RANDOM),
    ("a Groq or xAI key", "gsk_" + LONG[:52]),
    ("a Notion, Linear or Grafana token", "lin_api_" + RANDOM[:40]),
    ("an Azure client secret", "a1B8Q~" + RANDOM[:34]),
    ("a JSON web token", "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiI0MiJ9aa." + RANDOM),
    ("a password in a URL", "postgres://app:" + "Tr0ub4dor9x@db.internal:5432/app"),
    ("a password in a URL", "redis://:" + "Tr0ub4dor9x@cache.internal:6379"),
    ("a password in a URL", "mongodb+srv://app:" + "Tr0ub4dor9x@db.internal/app"),
    ("a key in a connection string", "AccountKey=" + LONG[:80] + "=="),
    ("a key in a connection string", "blob.core.windows.net/a?sv=2024&sig=" + RANDOM),
    ("an authorization header", "Authorization: Bearer " + RANDOM),
    ("an authorization header", "Authorization: Basic " + "YWRtaW46VHIwdWI0ZG9yOXg="),
    ("a password", "password: hunter2" + "hunter2"),
    ("a password", "the password is Tr0ub4dor" + "&3x!"),
    ("a password", "DB_PASSWORD=Tr0ub4dor" + "9x"),
    ("a password", "PASSPHRASE=Tr0ub4dor" + "9x"),
    ("a password", "PASSCODE=Tr0ub4dor" + "9x"),
    ("a key or token", "APP_CREDENTIALS=" + RANDOM[:24]),
    ("a key or token", "SECRET_KEY = '" + RANDOM[:24] + "'"),
    ("an AWS secret access key", "of aws it is " + RANDOM[:40]),
    ("a password", '{"user": "app", "password": "Tr0ub4dor' + '9x"}'),
    ("a password", "Server=db;Database=app;User Id=sa;Password=Tr0ub4dor" + "9x;"),
    ("a password", "パスワードはTr0ub4dor" + "9x"),
    ("a password", "パスワード：Tr0ub4dor" + "9x"),  # noqa: RUF001  # as Japanese keyboards type it
    ("a key or token", "API_KEY=" + RANDOM[:24]),
    ("a key or token", "the API key is " + RANDOM[:24]),
    ("a key or token", 'client_secret: "' + RANDOM[:32] + '"'),
)
SAID = ("Use this: {} and go on.", "{}", "- `{}`\n- next", "これを使います。{} 以上です。")
PERSONAL = {
    "jane.doe@acme-widgets.co.uk": "email-address",
    "山田さんのメールはtaro.yamada@yamada-shoji.co.jpです": "email-address",
    "Call +44 20 7946 1823 after nine": "phone-number",
    "電話は090-1234-5987まで": "phone-number",
    "０９０－８７６５－４３２１": "phone-number",  # noqa: RUF001  # as Japanese keyboards type it
    "My cell is (415) 867-5309": "phone-number",
    "Pay with 4539 1488 0343 6467": "card-number",
    "Amex 371234567890120": "card-number",
    "IBAN DE44 5001 0517 5407 3249 31": "identity-number",
    "マイナンバーは1234 5678 9018です": "identity-number",
    "身份证11010519491231002X": "identity-number",
    "CPF 529.982.247-25": "identity-number",
    "SSN: 536-22-8741": "identity-number",
    "ssn 536-22-8741": "identity-number",
    "SOCIAL SECURITY: 536-22-8741": "identity-number",
}
HARMLESS = [
    "Set AKIAIOSFODNN7EXAMPLE and wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY in the file.",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "A file that begins with -----BEGIN PRIVATE KEY----- must stay private.",
    "password = os.environ['DATABASE_PASSWORD_FROM_VAULT']",
    "password: str | None = None, token: Token2 = get_token(1)",
    "Your password must have 8 characters; the password is case-sensitive, not password123.",
    "const password = process.env.DB2_PASSWORD; let pwd = req.body.password1",
    "password = user_input_2, passwd=hash_sha256_of_it, pwd: newPassword2Field",
    "Password: ********, passcode: 0000-0000, パスワードは8文字以上にしてください。",
    "The secret is commit 3b1f0f6c2a9d4e5f8a7b6c5d4e3f2a1b0c9d8e7f of the branch.",
    "Secret Life of Walter Mitty/The Adventures of Tom Sawyer/Gulliver's Travels",
    "Authorization: Bearer <token>, Bearer YOUR_ACCESS_TOKEN_123456 or Basic authentication",
    "bearer of good news, basic requirements-and-recommendations",
    "api_key = config.get_secret_value_2, token=tokenizer.eos_token_id",
    "sk-learn-pipeline-with-a-very-long-and-descriptive-name is a slug",
    "the key-value-store and hf_hub_download and npm_config_registry are names",
    "SK1 to SK9 are terminals; SG.1 is a section; AIza is a prefix",
    "token: <your-token-goes-here-1234>",
    "The task-runner-configuration-management-module and the risk-averse strategy",
    "postgres://user:password@localhost:5432/db",
    "max_tokens=4096, temperature=0.7",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-micro-v1:0:128k/a1b2c3d4e5f6",
    "anthropic.claude-3-haiku-20240307-v1:0:200k on 2024-03-07 at 12:34:56.789012",
    "Mail support@acme.com, noreply@acme.com or anyone@example.com; clone git@github.com:a/b.git",
    "Serial 078-05-112 and 012-3-4567 are on the plate.",
    "Dial 1-800-123-4567 or 0120-123-456, or (212) 555-0123 in films, or (555) 123-4567",
    "Write to debian-derivatives@lists.debian.org to join.",
    "Version 10.0.19045.3803, range 192.168.100.200-192.168.100.250, pi 3.14159265358979",
    "sha256 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "ISBN 978-3-16-148410-0, order 4111111111111111, epoch 1700000000000",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
]


def hits(text: str) -> list[Hit]:
    text = half_width(text)
    return [*first_hits(secret_rules(text) + personal_data_rules(text), text)]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(("what", "secret"), SECRETS)
def test_a_secret_is_found_and_not_shown(what: str, secret: str, said: str) -> None:
    found = hits(said.format(secret))
    assert [(hit.code, hit.what) for hit in found] == [("secret", what)]
    assert len(found[0].shown.split("…")[0]) <= 4
    assert RANDOM[:12] not in found[0].shown


@pytest.mark.parametrize(("text", "code"), PERSONAL.items())
def test_personal_data_is_found(text: str, code: str) -> None:
    assert [hit.code for hit in hits(text)] == [code]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_passed_over(text: str) -> None:
    assert hits(text) == []


@pytest.mark.parametrize("path", sorted(DATASET.glob("*.json")), ids=lambda path: path.stem)
def test_the_projects_own_data_has_none(path: Path) -> None:
    for record in json.loads(path.read_text()):
        assert [hits(text) for text in record.values() if hits(text)] == []


@needs_article
def test_the_reports_data_has_none() -> None:
    for path in ARTICLE.glob("*.json"):
        assert hits(path.read_text()) == []


def test_checksums() -> None:
    assert luhn("4539148803436467")
    assert not luhn("4539148803436468")
    assert iban("GB82 WEST 1234 5698 7654 32")
    assert not iban("GB82 WEST 1234 5698 7654 33")
    assert my_number("123456789018")
    assert not my_number("123456789012")
    assert resident_number("11010519491231002X")
    assert not resident_number("110105194912310021")
    assert cpf("529.982.247-25")
    assert not cpf("111.111.111-11")


def test_a_mask_shows_a_quarter_at_most() -> None:
    assert masked("abcdefgh") == "ab… (8 characters)"
    assert masked("x" * 40) == "xxxx… (40 characters)"
    assert masked("abc") == "… (3 characters)"


def test_entropy_tells_random_from_repeated() -> None:
    assert entropy_bits("aaaaaaaa") == 0
    assert entropy_bits(RANDOM) > 4.5


@given(st.text(max_size=400))
def test_any_text_can_be_looked_at(text: str) -> None:
    hits(text)


def test_a_long_text_is_looked_at_in_linear_time() -> None:
    for piece in ("1-", "a@", "+1 2", "key=", "AKIA", "0-", "x:y@", "-----BEGIN ", "DE12 "):
        hits(piece * 40_000)
