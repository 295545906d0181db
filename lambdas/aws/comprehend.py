"""Amazon Comprehend: personal data in a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lambdas.aws.clients import client, translated
from lambdas.validation.screening import LanguageCode, PiiEntity


@dataclass(frozen=True)
class Comprehend:
    """Each method raises the named errors of `translated`."""

    comprehend: Any = field(default_factory=lambda: client("comprehend"))

    def detect_pii(self, text: str, language: LanguageCode) -> list[PiiEntity]:
        with translated("detect personal data with Amazon Comprehend"):
            answer = self.comprehend.detect_pii_entities(Text=text, LanguageCode=language)
        return [PiiEntity(each["Type"], each["Score"]) for each in answer["Entities"]]
