"""*Decide verdict*: whether the tuned model is better, and whether that could be chance."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.evaluation.verdict import decide
from lambdas.domain.run.contracts import DecideVerdictRequest, Verdict
from lambdas.runtime.step import step


def decide_verdict(request: DecideVerdictRequest) -> Verdict:
    artefacts = Artefacts(request.run.bucket)
    judgements = list(artefacts.iter_records(request.judgements.judgements_key))
    found = artefacts.read_json(request.dataset.findings_key)
    set_aside = found["summary"]["set_aside"]
    verdict, document = decide(request.run, judgements, request.dataset.sha256, set_aside)
    artefacts.put_json(verdict.verdict_key, document)
    return verdict


handler = step("Decide verdict", DecideVerdictRequest)(decide_verdict)
