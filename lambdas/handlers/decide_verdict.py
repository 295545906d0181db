"""*Decide verdict*: whether the tuned model is better, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.record_files import S3Shards, answers_of_shard
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import results_of, without_texts
from lambdas.domain.evaluation.verdict import decide, results_prefix
from lambdas.domain.run.contracts import DecideVerdictRequest, Verdict
from lambdas.runtime.step import step


def decide_verdict(request: DecideVerdictRequest) -> Verdict:
    run, artefacts = request.run, Artefacts(request.run.bucket)
    results = [without_texts(each) for each in _results(request, artefacts)]
    found = artefacts.read_json(request.dataset.findings_key)
    verdict, document = decide(
        run,
        results,
        request.dataset.sha256,
        found["summary"]["set_aside"],
        shards=request.base_answers.shards,
    )
    artefacts.put_json(verdict.verdict_key, document)
    return verdict


def _results(request: DecideVerdictRequest, artefacts: Artefacts) -> Iterator[Record]:
    """Join what is known of each question, and keep it, shard by shard."""
    judgements = S3Shards(artefacts, request.judgements.judgements_prefix)
    kept = S3Shards(artefacts, results_prefix(request.run))
    for shard in range(request.base_answers.shards):
        answers = answers_of_shard(artefacts, request.answers, shard)
        results = results_of(answers, judgements.records(shard))
        kept.file(shard).write(results)
        yield from results


handler = step("Decide verdict", DecideVerdictRequest)(decide_verdict)
