"""The models that can be tuned and the models that judge, read from `families/`.

A model is data: nothing else names one. Availability is asked of Bedrock at run time, never read
from here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lambdas.domain.models.model import Judge, Model, Untuned

_FAMILIES = Path(__file__).with_name("families")
_JUDGES = "judges.toml"


def read_models(folder: Path) -> Mapping[str, Model]:
    """Return the models of a folder's files, one a family, by key.

    A model's own entries go before its family's [family] table, [sources] and [hyperparameters] one
    by one.

    Raises
    ------
    pydantic.ValidationError
        A figure is missing, malformed or without its source.
    """
    models = [
        _model(family.get("family", {}), entry)
        for path in sorted(folder.glob("*.toml"))
        for family in [tomllib.loads(path.read_text(encoding="utf-8"))]
        for entry in family.get("model", [])
    ]
    return MappingProxyType({model.key: model for model in models})


def _model(family: Mapping[str, Any], entry: Mapping[str, Any]) -> Model:
    merged = {
        table: {**family.get(table, {}), **entry.get(table, {})}
        for table in ("sources", "hyperparameters")
    }
    return Model.model_validate({**family, **entry, **merged})


def _read_judges() -> Mapping[str, Judge]:
    entries = tomllib.loads((_FAMILIES / _JUDGES).read_text(encoding="utf-8"))["judge"]
    return MappingProxyType({entry["key"]: Judge.model_validate(entry) for entry in entries})


MODELS: Mapping[str, Model] = read_models(_FAMILIES)
JUDGES: Mapping[str, Judge] = _read_judges()


def _untuned(each: Model | Judge) -> Untuned:
    inference = each.base_inference if isinstance(each, Model) else each.inference
    # Where else a model without a profile can be asked is not in the catalogue.
    tuned_in = each.customization_regions if isinstance(each, Model) else ()
    return Untuned(
        key=each.key,
        name=each.name,
        provider=each.provider,
        inference=inference,
        regions=inference.regions or tuned_in,
    )


_UNTUNED = [*map(_untuned, JUDGES.values()), *map(_untuned, MODELS.values())]
UNTUNED: Mapping[str, Untuned] = MappingProxyType({each.key: each for each in _UNTUNED})
