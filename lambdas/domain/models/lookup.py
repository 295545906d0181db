"""Look-ups by name that answer an unknown name with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.catalogue import JUDGES, MODELS, UNTUNED
from lambdas.domain.models.model import Judge, Model, Untuned


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely stands for, or None."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that `name` is not a known `what`, with the nearest name and all known ones."""
    names = sorted(known)
    guess = nearest(name, names)
    hint = f" Did you mean {guess!r}?" if guess else ""
    return f"{name!r} is not a known {what}.{hint} Known: {', '.join(names)}."


def find_model(key: str) -> Model:
    """Return the catalogue's model, or raise InputInvalid with the nearest name."""
    try:
        return MODELS[key]
    except KeyError:
        raise InputInvalid(unknown("model", key, MODELS)) from None


def find_judge(key: str) -> Judge:
    """Return the catalogue's judge, or raise InputInvalid with the nearest name."""
    try:
        return JUDGES[key]
    except KeyError:
        raise InputInvalid(unknown("judge", key, JUDGES)) from None


def find_untuned(key: str) -> Untuned:
    """Return the catalogue's model or judge, or raise InputInvalid with the nearest name."""
    try:
        return UNTUNED[key]
    except KeyError:
        raise InputInvalid(unknown("model", key, UNTUNED)) from None
