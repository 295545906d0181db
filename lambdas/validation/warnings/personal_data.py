"""Finds personal data in a text: e-mail addresses, phone, card and identity numbers.

Numbers are common in training data, so a number counts only with the usual separators, a checksum,
or a word beside it. Addresses and numbers of nobody in particular (documentation examples, an
office) are ignored. Names and postal addresses need a model: see `screening`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial

from lambdas.validation.warnings.secrets import Rule, always, make_rule, possible_rules

_PHONE_DIGITS = range(9, 16)  # E.164 allows 15
_NATIONAL_DIGITS = (10, 11)  # with the leading 0, as in Japan
_DIFFERENT_DIGITS = 4
_IBAN_MODULUS = 97
_DIGITS = re.compile(r"\d(?:[ ().-]{0,2}\d){7}", re.ASCII)
_FULL_WIDTH = re.compile(r"[\uff10-\uff19\uff20]")
_UNPUBLISHED_DOMAINS = re.compile(
    r"@(?:lists\.|groups\.)|@(?:[\w-]+\.)*(?:example(?:\.\w+)?|test|invalid|localhost|domain\.com|email\.com"
    r"|company\.com|yourdomain\.\w+)$",
    re.IGNORECASE,
)
_ROLE_NAMES = """abuse admin billing contact example feedback git help hello hr info jobs mail me
name noreply reply office postmaster press privacy root sales security service support team user
username webmaster you"""
_ROLES = frozenset(_ROLE_NAMES.split())


def personal_data_rules(text: str) -> list[Rule]:
    """Return the rules that can hit in the half-width text or a part of it: as a rule, none."""
    return possible_rules(_RULES if _DIGITS.search(text) else _RULES[:1], text)


def half_width(text: str) -> str:
    """Return the text as rules read it: with digits and @ from Japanese keyboards in their form."""
    is_usual = text.isascii() or not _FULL_WIDTH.search(text)
    return text if is_usual else unicodedata.normalize("NFKC", text)


def _personal_address(address: str) -> bool:
    parts = set(re.split(r"[._+-]", address.partition("@")[0].casefold()))
    return not parts & _ROLES and not _UNPUBLISHED_DOMAINS.search(address)


def _digits_of(number: str) -> str:
    return "".join(each for each in number if each.isdigit())


def _personal_phone(number: str) -> bool:
    """Return whether a number can be a person's: long enough, not toll-free, not fictional."""
    digits = _digits_of(number)
    free = digits.removeprefix("1")[:3] in {"800", "833", "844", "855", "866", "877", "888"}
    free = free or digits.startswith(("0120", "0800", "810120", "81800"))
    fictional = "55501" in digits or digits.removeprefix("1").startswith("555")
    lengths = _NATIONAL_DIGITS if number.startswith("0") else _PHONE_DIGITS
    plausible = len(digits) in lengths and len(set(digits)) >= _DIFFERENT_DIGITS
    return plausible and not free and not fictional


_TEST_CARD_NUMBERS = """4111111111111111 4242424242424242 4012888888881881 5555555555554444
5105105105105100 378282246310005 371449635398431 6011111111111117 3530111333300000
4000056655665556"""
_TEST_CARDS = frozenset(_TEST_CARD_NUMBERS.split())
_CARD_DIGITS = 16  # 15 where the first is a 3


def _card(number: str) -> bool:
    digits = _digits_of(number)
    is_one = len(digits) == _CARD_DIGITS or digits[0] == "3"
    is_varied = len(set(digits)) >= _DIFFERENT_DIGITS
    return is_one and is_varied and digits not in _TEST_CARDS and luhn(digits)


def luhn(digits: str) -> bool:
    """Return whether the last digit is the checksum of ISO/IEC 7812-1."""
    total = 0
    for at, each in enumerate(reversed(digits)):
        value = int(each) * (1 + at % 2)
        total += value % 10 + value // 10
    return total % 10 == 0


def iban(text: str) -> bool:
    """Return whether the remainder is that of ISO 13616: 1 of 97."""
    compact = text.replace(" ", "")
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(each, 36)) for each in turned)) % _IBAN_MODULUS == 1


def my_number(text: str) -> bool:
    """Return whether the last of 12 digits is the checksum of a Japanese individual number.

    Ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014, article 5.
    """
    digits = [int(each) for each in _digits_of(text)]
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(a * b for a, b in zip(digits, weights, strict=False)) % 11
    return digits[-1] == (0 if rest <= 1 else 11 - rest)


def resident_number(text: str) -> bool:
    """Return whether the 18th character is that of a Chinese resident number (GB 11643-1999)."""
    total = sum(int(each) * 2 ** (17 - at) for at, each in enumerate(text[:17]))
    return "10X98765432"[total % 11] == text[17].upper()


def cpf(text: str) -> bool:
    """Return whether the last two of 11 digits are those of a Brazilian taxpayer number."""
    digits = [int(each) for each in _digits_of(text)]
    for length in (9, 10):
        total = sum(each * (length + 1 - at) for at, each in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != digits[length]:
            return False
    return len(set(digits)) > 1


_identity_rule = partial(make_rule, code="identity-number")
_RULES = (
    make_rule(
        "an e-mail address",
        "@",
        r"(?<![\w.+/:@-])([A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24})\b",
        _personal_address,
        "email-address",
    ),
    make_rule(
        "a phone number",
        "+ - )",
        r"(?<![\w.+/-])(\+[1-9]\d{0,2}[ .-]?\(?\d{1,4}\)?(?:[ .-]?\d{2,4}){2,4}"
        r"|\(\d{3}\) ?\d{3}-\d{4}|[2-9]\d{2}-[2-9]\d{2}-\d{4}"
        r"|0\d{1,4}-\d{1,4}-\d{4}|0\d{1,4}\(\d{1,4}\)\d{4})(?![\w-]|\.\d)",
        _personal_phone,
        "phone-number",
    ),
    make_rule(
        "a payment card number",
        "",
        r"(?<![\w.+/:-])([2-6]\d{3}([ -]?)\d{4}\2\d{4}\2\d{3,4}"
        r"|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})(?![\w-]|\.\d)",
        _card,
        "card-number",
    ),
    _identity_rule(
        "an international bank account number",
        "",
        r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b",
        iban,
    ),
    _identity_rule(
        "a Japanese individual number",
        "マイナンバー 個人番号 umber",
        r"(?:マイナンバー|個人番号|[Mm]y [Nn]umber)\D{0,20}(\d{4}[ -]?\d{4}[ -]?\d{4})(?!\d)",
        my_number,
    ),
    _identity_rule(
        "a Chinese resident number",
        "",
        r"(?<!\w)(\d{6}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx])(?!\w)",
        resident_number,
    ),
    _identity_rule(
        "a Brazilian taxpayer number",
        "",
        r"(?<![\w.-])(\d{3}\.\d{3}\.\d{3}-\d{2})(?![\w-])",
        cpf,
    ),
    _identity_rule(
        "a US social security number",
        "SSN Ssn ssn ecurity ECURITY",
        r"(?i:ssn|social security)\D{0,30}((?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4})(?!\d)",
        always,
    ),
)
