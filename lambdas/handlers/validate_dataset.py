"""Validate dataset: copies the files for the run, then checks every record of the copies."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from lambdas.aws.artefacts import ArtefactChanged, Artefacts, ObjectSource
from lambdas.aws.frozen_files import freeze, frozen_file
from lambdas.domain.errors import DatasetInvalid
from lambdas.domain.evaluation.few_shot import choose_examples, examples_key
from lambdas.domain.models.lookup import find_judge, find_model
from lambdas.domain.run.contracts import Dataset, Run, StateRequest
from lambdas.domain.run.dataset_files import DatasetKind
from lambdas.domain.run.earlier_run import as_json, run_key
from lambdas.domain.run.execution_input import FEW_SHOT
from lambdas.domain.run.validated_dataset import dataset_of
from lambdas.runtime.step import logger, step
from lambdas.validation import ValidationReport, refusal
from lambdas.validation.check import Options, ReadProgress, check

_LOGGED_BYTES = 512 * 1024**2
# As JSON. Payloads have a system prompt twice, as the input gives it and as it is used, and Step
# Functions' limit of 256 KB ends an execution wherever it stands, with all that it has paid for:
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html, read 2026-11-28.
_MOST_PROMPT_BYTES = 80_000


def validate_dataset(request: StateRequest) -> Dataset:
    run = request.run
    artefacts = Artefacts(run.bucket)
    copies = _freeze(run, artefacts)
    frozen = [frozen_file(kind, copy) for kind, copy in copies.items()]
    report = _check(run, copies)
    findings_key = artefacts.put_json(f"{run.prefix}/validation.json", report.as_json())
    if not report.valid:
        raise DatasetInvalid(refusal(report, artefacts.uri(findings_key)))
    _check_prompt(report.system_prompt or "")
    tokens = _few_shot_tokens(run, artefacts, copies["training"].key)
    dataset = dataset_of(report, frozen, findings_key, few_shot_tokens=tokens)
    artefacts.put_json(run_key(run.prefix), as_json(run, dataset))
    return dataset


def _check_prompt(system_prompt: str) -> None:
    size = len(json.dumps(system_prompt, ensure_ascii=False).encode(errors="surrogatepass"))
    if size > _MOST_PROMPT_BYTES:
        raise DatasetInvalid(
            f"the system prompt, of the input or of most training records, has {size:,} bytes as "
            f"JSON; the states of a run hand on at most {_MOST_PROMPT_BYTES:,}. Shorten it"
        )


def _few_shot_tokens(run: Run, artefacts: Artefacts, training_key: str) -> int:
    """Choose and keep what the base model is to be shown; return its tokens."""
    if FEW_SHOT not in run.settings.also_compare:
        return 0
    model = find_model(run.settings.model)
    shown = choose_examples(artefacts.iter_records(training_key), model)
    artefacts.put_json(examples_key(run), shown.model_dump(mode="json"))
    return shown.tokens


def _freeze(run: Run, artefacts: Artefacts) -> dict[DatasetKind, ObjectSource]:
    try:
        return freeze(artefacts, run)
    except ArtefactChanged as error:  # an upload that is over in a moment
        logger.warning(str(error))
        return freeze(artefacts, run)


def _check(run: Run, copies: Mapping[DatasetKind, ObjectSource]) -> ValidationReport:
    options = Options(
        system_prompt=run.settings.system_prompt,
        fail_on=frozenset(run.fail_on_warnings),
        min_evaluation_questions=run.min_evaluation_questions,
        judge=find_judge(run.settings.judge_model),
        max_answer_tokens=run.settings.max_answer_tokens,
        needs_schema=run.settings.metric == "json-schema",
    )
    model = find_model(run.settings.model)
    sources = {kind.replace("-", "_"): copy for kind, copy in copies.items()}
    return check(model, options=options, progress=_progress_log(), **sources)


def _progress_log() -> Callable[[ReadProgress], None]:
    """Return what logs how far a file is read, at its end and every half a gibibyte."""
    next_bytes: dict[str, int] = {}

    def log(progress: ReadProgress) -> None:
        due = next_bytes.setdefault(progress.file, _LOGGED_BYTES)
        if progress.bytes_done >= min(due, progress.bytes_total):
            next_bytes[progress.file] = progress.bytes_done + _LOGGED_BYTES
            logger.info("checked", extra=vars(progress))

    return log


handler = step("Validate dataset", StateRequest)(validate_dataset)
