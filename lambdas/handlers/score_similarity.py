"""*Score similarity*: how similar every answer is to its reference, by BERTScore and by surface."""

from __future__ import annotations

import tempfile
from functools import cache, partial
from pathlib import Path

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.aws.record_files import S3Shards, answers_of_shard
from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.file_names import weights_key
from lambdas.domain.evaluation.similarity.overlap import chrf_signature
from lambdas.domain.evaluation.similarity.scoring import Scoring, bertscored_every
from lambdas.domain.evaluation.similarity.weights import Weights, load_weights
from lambdas.domain.run.contracts import ScoreSimilarityRequest, Similarity
from lambdas.domain.run.variables import ScoreSimilarityVariables
from lambdas.runtime.step import SecondsLeft, logger, timed_step, variables_of

# Far more than a group of questions takes, whatever the weights.
_GROUP_SECONDS = 180
_NOT_NAMED = "this environment names no weights, see [similarity] in its file and make weights"
_PART_BYTES = 8 << 20  # read at once


def score_similarity(request: ScoreSimilarityRequest, seconds_left: SecondsLeft) -> Similarity:
    run, name = request.run, variables_of(ScoreSimilarityVariables).similarity_weights
    artefacts = Artefacts(run.bucket)
    weights, problem = _weights(artefacts, name)
    every = bertscored_every(sum(each.answered for each in request.answers.values()))
    scoring = Scoring(
        S3Shards(artefacts, f"{run.prefix}/similarity/"),
        weights.scorer if weights else None,
        every,
        may_begin=lambda: seconds_left() >= _GROUP_SECONDS,
    )
    shards = scoring.go_on(partial(answers_of_shard, artefacts, request.answers))
    return Similarity(
        similarity_prefix=scoring.shards.prefix,
        shards=shards or 0,
        weights=name if weights else None,
        bertscored_every=every,
        weights_difference=weights.difference if weights else None,
        chrf_signature=chrf_signature(),
        problem=problem,
        done=shards is not None,
    )


def _weights(artefacts: Artefacts, name: str) -> tuple[Weights | None, str | None]:
    """Return the weights, or why there are none: a run goes on without."""
    if not name:
        return None, _NOT_NAMED
    try:
        return _loaded(artefacts.bucket, name), None
    except ArtefactMissing:
        uri = artefacts.uri(weights_key(name))
        problem = f"{uri}, which this environment names, is not there: make weights puts it there"
    except WeightsUnusable as error:
        problem = str(error)
    logger.warning(problem)
    return None, problem


@cache  # for the next pass, which mostly comes to the same process
def _loaded(bucket: str, name: str) -> Weights:
    source = Artefacts(bucket).source(weights_key(name), name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with path.open("wb") as file:
            for start in range(0, source.size_bytes, _PART_BYTES):
                file.write(source.read(start, min(start + _PART_BYTES, source.size_bytes)))
        return load_weights(path)


handler = timed_step("Score similarity", ScoreSimilarityRequest)(score_similarity)
