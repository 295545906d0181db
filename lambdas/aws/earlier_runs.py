"""What an earlier run has left of itself and of its answers in the artefact bucket."""

from __future__ import annotations

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.aws.record_files import S3Shards
from lambdas.domain.evaluation.answers import answers_in
from lambdas.domain.evaluation.results import SIDES
from lambdas.domain.preflight.judging_again import EarlierAnswers
from lambdas.domain.run.dataset_files import run_folder
from lambdas.domain.run.earlier_run import EarlierRun, run_key


def find_answers(artefacts: Artefacts, run: str) -> EarlierAnswers | None:
    """Return a run with its answers, or None if there is none whose dataset was valid."""
    folder = run_folder(run)
    try:
        earlier = EarlierRun.model_validate(artefacts.read_json(run_key(folder)))
    except ArtefactMissing:
        return None
    shards = {side: S3Shards(artefacts, f"{folder}/answers-{side}/") for side in SIDES}
    answers = {side: answers_in(each) for side, each in shards.items()}
    missing = [key for side in SIDES for key in shards[side].missing(answers[side].shards)]
    return EarlierAnswers(earlier, answers["base"], answers["tuned"], missing)
