"""One run, as the states hand it on: each function returns one contract, with `changes`."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import make_quote
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import Quote
from lambdas.domain.data_review.results import DataReview
from lambdas.domain.run.contracts import (
    Answers,
    Dataset,
    Execution,
    FrozenFile,
    Hosting,
    Judgements,
    LossCurves,
    QuotedCost,
    Release,
    ReviewOutcome,
    ReviewRow,
    Run,
    Training,
    Verdict,
    WriteReportRequest,
)
from lambdas.domain.run.dataset_files import FILE_NAMES, DatasetKind, frozen_key
from lambdas.domain.run.names import names_of
from tests.fakes.bedrock import ACCOUNT, REGION, arn
from tests.fakes.s3 import BUCKET

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
EXECUTION = Execution(
    name="first-try",
    arn=f"arn:aws:states:{REGION}:{ACCOUNT}:execution:bedrock-tuning-dev:first-try",
    started_at=NOW - timedelta(hours=3),
)
NAMES = names_of("dev", EXECUTION.name, EXECUTION.arn)
PREFIX = f"runs/{NAMES.run}"


def frozen(kind: DatasetKind, body: bytes) -> FrozenFile:
    return FrozenFile(
        kind=kind,
        key=frozen_key(PREFIX, kind),
        sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body),
    )


FROZEN = tuple(frozen(kind, kind.encode()) for kind in FILE_NAMES)  # of the made-up dataset
FROZEN_OBJECTS = {each.key: each.kind.encode() for each in FROZEN}

SETTINGS: dict[str, Any] = {
    "dataset": "default",
    "model": "claude-3-haiku",
    "hyperparameters": {},
    "system_prompt": None,
    "hosting": "cheapest",
    "keep_hours": 24,
    "model_units": 1,
    "hold_minutes": 0,
    "judge_model": "nova-pro",
    "max_answer_tokens": 300,
    "max_failed_answers_percent": 10,
    "max_training_hours": 24,
    "max_phase_hours": 6,
    "max_provisioning_minutes": 60,
    "max_cost_usd": 400,
    "review_data": False,
    "min_review_score": None,
    "max_review_usd": 2,
    "require_approval": False,
}


def run(**changes: object) -> Run:
    """Return a run; `changes` go to its settings where these have such a field."""
    settings = {name: changes.pop(name) for name in {*changes} & {*SETTINGS}}
    values: dict[str, Any] = {
        "name": NAMES.run,
        "execution_arn": EXECUTION.arn,
        "environment": "dev",
        "region": REGION,
        "started_at": EXECUTION.started_at,
        "bucket": BUCKET,
        "prefix": PREFIX,
        "settings": SETTINGS | settings,
        "job_name": NAMES.job,
        "custom_model_name": NAMES.custom_model,
        "hosting_name": NAMES.hosting,
        "client_token": NAMES.client_token,
        "approval_hours": None,
        "fail_on_warnings": (),
        "min_evaluation_questions": 1,
        "verdict_confidence": 0.95,
        "verdict_margin_percent": 5,
        "reap_every_minutes": 15,
        "comprehend_max_usd": 0,
        "hosting_options": [{"kind": "provisioned"}],
    }
    return Run.model_validate(values | changes)


def nova_run(**changes: object) -> Run:
    """Return a run of a model that has both kinds of hosting."""
    both = [{"kind": "on-demand"}, {"kind": "provisioned"}]
    values = {"model": "nova-micro", "region": "us-east-1", "hosting_options": both}
    return run(**values | changes)


def training(**changes: object) -> Training:
    values: dict[str, Any] = {
        "job_arn": arn("model-customization-job", "abcdefghijkl"),
        "status": "Completed",
        "phase": "Completed",
        "phase_status": "Completed",
        "phase_age_minutes": 0,
        "age_minutes": 118,
        "done": True,
        "wait_seconds": 300,
        "custom_model_arn": arn("custom-model", "base/abcdefghijkl"),
    }
    return Training.model_validate(values | changes)


def dataset(**changes: object) -> Dataset:
    values: dict[str, Any] = {
        "files": FROZEN,
        "training_records": 96,
        "validation_records": 32,
        "evaluation_examples": 3,
        "set_aside": 0,
        "training_tokens": 12_345,
        "evaluation_tokens": 600,
        "warnings": 1,
        "system_prompt": "Answer briefly.",
        "findings_key": f"{PREFIX}/validation.json",
    } | changes
    expected = round(0.7 * values["training_tokens"])
    return Dataset.model_validate({"expected_training_tokens": expected} | values)


def hosting(**changes: object) -> Hosting:
    values: dict[str, Any] = {
        "hosting_arn": arn("provisioned-model", "mnopqrstuvwx"),
        "name": NAMES.hosting,
        "kind": "provisioned",
        "created_at": NOW - timedelta(minutes=25),
        "release_by": NOW + timedelta(minutes=95),
        "age_minutes": 21,
        "done": True,
        "wait_seconds": 15,
    }
    return Hosting.model_validate(values | changes)


def answers(side: str, **changes: object) -> Answers:
    values: dict[str, Any] = {
        "answered": 3,
        "failed": 0,
        "input_tokens": 330,
        "output_tokens": 210,
        "answers_prefix": f"{PREFIX}/answers-{side}/",
        "shards": 1,
    }
    return Answers.model_validate(values | changes)


def quote(data: Dataset | None = None, **changes: object) -> Quote:
    """Return the quote of the run, at prices that include a training of Claude 3 Haiku."""
    changed = run(**changes)
    calculator = Calculator(PriceBook.load(PRICES), changed.region)
    return make_quote(changed, data or dataset(), calculator)


PRICES = {"claude-3-haiku": {"training_usd_per_1k_tokens": 0.004}}
QUOTED = QuotedCost(
    low_usd=44,
    expected_usd=55.69,
    high_usd=264,
    hosting="provisioned",
    hosting_reason="it is the only kind that this run can have",
    hosting_usd_per_hour=132,
    hyperparameters={"epochCount": "10", "batchSize": "8"},
    hyperparameter_reasons={"epochCount": "set by the input", "batchSize": "8 advised"},
    summary="…",
    quote_key=f"{PREFIX}/quote.json",
    dataset_sha256=dataset().sha256,
    quote_sha256="0f" * 32,
)


REVIEWED = ReviewOutcome(
    reviewed=31,
    failed=1,
    mean_score=7.9,
    poor=2,
    usd=0.0213,
    review_key=f"{PREFIX}/review.json",
    rows_key=f"{PREFIX}/review/rows.jsonl",
)


def data_review(**changes: object) -> DataReview:
    worst = ReviewRow(
        line=41,
        prompt="What is <i>a hold</i>?",
        score=2,
        scores={"correct": 2, "grounded": 5, "clear": 9, "consistent": 10},
        reason="The <b>year</b> is wrong.",
    )
    values: dict[str, Any] = {
        "judge_model": "nova-pro",
        "plan": {
            "records": 96,
            "planned": 32,
            "every": 3,
            "too_long": 0,
            "worst_usd": 0.19,
            "items_key": f"{PREFIX}/review/items.jsonl",
        },
        "min_review_score": 6,
        "summary": {
            "records": 96,
            "reviewed": 31,
            "failed": 1,
            "not_reviewed": 64,
            "mean_score": 7.9,
            "criterion_means": {"correct": 8.2, "grounded": 8.9, "clear": 9, "consistent": 9.5},
            "poor_score": 6,
            "poor": 2,
            "poor_percent": 6.5,
            "input_tokens": 20_000,
            "output_tokens": 1_600,
            "usd": 0.0213,
            "worst": [worst],
        },
    }
    return DataReview.model_validate(values | changes)


def report_request(**changes: object) -> WriteReportRequest:
    values: dict[str, Any] = {
        "run": run(),
        "now": NOW,
        "dataset": dataset(),
        "quote": QUOTED,
        "approval": None,
        "screening": None,
        "review": None,
        "training": training(),
        "loss_curves": LossCurves(
            epochs=7,
            best_epoch=6,
            final_training_loss=0.353,
            best_validation_loss=1.476,
            final_validation_loss=1.496,
            over_fit=True,
            verdict="Validation loss was lowest in epoch 6.",
            losses_key=f"{PREFIX}/losses.json",
            svg_key=f"{PREFIX}/losses.svg",
            png_key=f"{PREFIX}/losses.png",
        ),
        "hosting": hosting(),
        "release": Release(
            found=True, hosting_arn=hosting().hosting_arn, billed_minutes=25, at=NOW
        ),
        "base_answers": answers("base"),
        "tuned_answers": answers("tuned", failed=1, answered=2),
        "judgements": Judgements(
            judged=2,
            failed=1,
            input_tokens=900,
            output_tokens=80,
            judgements_prefix=f"{PREFIX}/judgements/",
        ),
        "verdict": Verdict(
            verdict="not decisive",
            sentence="These questions cannot decide between tuned and base model.",
            reason="Over 2 questions the tuned model scores 7.00 on average, the base model 2.50.",
            caveats=("1 of 3 answers of the tuned model were cut off.",),
            questions=2,
            set_aside=0,
            missing=1,
            preferences={
                "questions": 2,
                "tuned": 2,
                "base": 0,
                "neither": 0,
                "first": 2,
                "second": 2,
            },
            wins=2,
            ties=0,
            losses=0,
            base_mean=2.5,
            tuned_mean=7.0,
            low=-1.85,
            high=10.85,
            dataset_sha256=dataset().sha256,
            verdict_key=f"{PREFIX}/verdict.json",
            results_prefix=f"{PREFIX}/results/",
            shards=1,
        ),
    }
    return WriteReportRequest.model_validate(values | changes)


RESULTS: list[dict[str, Any]] = [
    {
        "id": "q-1",
        "question": "What does <b>Guardrails</b> do?",
        "reference_answer": "It filters harmful content & more.",
        "topic": "Guardrails",
        "base": {"answer": "<script>alert(1)</script>", "score": 2, "reason": "Wrong."},
        "tuned": {
            "answer": "It filters content.",
            "score": 8,
            "reason": "Right.",
            "outcome": "cut off",
        },
    },
    {
        "id": "q-2",
        "question": "What is an agent?",
        "reference_answer": "It plans and calls APIs.",
        "topic": "Agents",
        "base": {"answer": "A person.", "score": 3, "reason": "Not in Bedrock."},
        "tuned": {"answer": "It calls APIs.", "score": 6, "reason": "Planning is missing."},
    },
    {
        "id": "q-3",
        "question": "What is a model unit?",
        "reference_answer": "A unit of throughput.",
        "topic": "Agents",
        "base": {"answer": "A unit.", "judge_error": "OutOfSchema: score is 11"},
        "tuned": {"error": "Throttled: could not ask"},
    },
]
