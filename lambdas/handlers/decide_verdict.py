"""*Decide verdict*: whether the tuned model is better, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.record_files import S3Shards, answers_of_shard
from lambdas.domain.evaluation.alternatives import as_json, doubts, standings
from lambdas.domain.evaluation.forgetting import forgetting_of
from lambdas.domain.evaluation.metrics import Metric, metrics_of, with_metrics
from lambdas.domain.evaluation.records import Record
from lambdas.domain.evaluation.results import results_of, without_texts
from lambdas.domain.evaluation.similarity.means import with_similarity
from lambdas.domain.evaluation.verdict import decide, results_prefix
from lambdas.domain.run.contracts import DecideVerdictRequest, FrozenFile, Verdict
from lambdas.domain.run.dataset_files import EVALUATION
from lambdas.runtime.step import step
from lambdas.validation.formats.answer_schema import AnswerSchema

_TOLD = {"sentence", "forgetting", "alternatives", "caveats"}


def decide_verdict(request: DecideVerdictRequest) -> Verdict:
    run, artefacts = request.run, Artefacts(request.run.bucket)
    metric, others = metrics_of(
        run.settings.metric,
        _answer_schema(request.dataset.answer_schema, artefacts),
        judged=request.judgements is not None,
    )
    results = [without_texts(each) for each in _results(request, artefacts, [metric, *others])]
    found = artefacts.read_json(request.dataset.findings_key)["summary"]
    aside, examples = found["set_aside"], [each for each in results if not each.get("general")]
    verdict, document = decide(
        run,
        examples,
        request.dataset.sha256,
        aside,
        metric=metric,
        others=others,
        shards=request.base_answers.shards,
    )
    compared = standings(run, examples, request.other_answers, aside, metric)
    general = [each for each in results if each.get("general")]
    forgetting = forgetting_of(run, general, found.get("general_set_aside", {}), metric)
    verdict = verdict.model_copy(
        update={
            "sentence": " ".join(
                filter(None, (verdict.sentence, forgetting.sentence if forgetting else ""))
            ),
            "forgetting": forgetting,
            "alternatives": tuple(doubts(run, compared, metric)),
            "caveats": (
                *verdict.caveats,
                *_not_compared(found),
                *_not_there(request.dataset.asked, len(results)),
            ),
        }
    )
    told = verdict.model_dump(mode="json", include=_TOLD)
    artefacts.put_json(verdict.verdict_key, {**document, **told, **as_json(compared)})
    return verdict


def _answer_schema(file: FrozenFile | None, artefacts: Artefacts) -> AnswerSchema | None:
    if file is None:
        return None
    require_unchanged(artefacts, [file])
    return AnswerSchema.parse(artefacts.read_bytes(file.key))


def _not_compared(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield that leaks may be among those that decide, where not all could be looked for."""
    counts = summary.get("counts", ())
    if any((each["file"], each["code"]) == (EVALUATION, "not-compared") for each in counts):
        yield (
            "Not every question was compared with all that it resembles, see not-compared in "
            "validation.json: copies of training data may be among those that decide."
        )


def _not_there(asked: int, known: int) -> Iterator[str]:
    """Yield that questions are gone from both models' answers: nothing else would tell."""
    if known < asked:
        yield (
            f"{asked - known} of {asked} questions are in no file of answers any more, and so "
            "decide nothing: somebody has written to the run's folder since they were answered."
        )


def _results(
    request: DecideVerdictRequest, artefacts: Artefacts, metrics: Sequence[Metric]
) -> Iterator[Record]:
    """Join what is known of each question, and keep it, shard by shard."""
    kept = S3Shards(artefacts, results_prefix(request.run))
    for shard in range(request.base_answers.shards):
        answers = answers_of_shard(artefacts, request.answers, shard)
        judged = _judgements(request, artefacts, shard)
        scored = _similarity(request, artefacts, shard)
        joined = with_similarity(results_of(answers, judged), scored)
        results = [with_metrics(each, *metrics) for each in joined]
        kept.file(shard).write(results)
        yield from results


def _judgements(request: DecideVerdictRequest, artefacts: Artefacts, shard: int) -> list[Record]:
    if request.judgements is None:
        return []
    return S3Shards(artefacts, request.judgements.judgements_prefix).records(shard)


def _similarity(request: DecideVerdictRequest, artefacts: Artefacts, shard: int) -> list[Record]:
    similarity = request.similarity
    if shard >= similarity.shards:
        return []
    return S3Shards(artefacts, similarity.similarity_prefix).records(shard)


handler = step("Decide verdict", DecideVerdictRequest)(decide_verdict)
