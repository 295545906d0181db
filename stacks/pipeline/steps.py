"""The steps of a run: one declaration each; function, role and variables are made from it."""

from __future__ import annotations

from lambdas.domain.run.variables import (
    ApproveSpendVariables,
    ArtefactVariables,
    CheckPreflightVariables,
    ConfirmDecisionVariables,
    PriceVariables,
    ScoreSimilarityVariables,
    StartTrainingVariables,
    TopicVariables,
    WriteReportVariables,
)
from stacks.constructs.access import Access, approvals, datasets, runs, weights_of
from stacks.constructs.permission import IamArn, Permission, every_resource
from stacks.constructs.step import MAX_MEMORY_MB, MAX_SECONDS, Step

_QUESTIONS = ("dataset/evaluation.jsonl", "dataset/general.jsonl")  # for both models


def _screen_dataset(access: Access) -> list[Permission]:
    detect = Permission(["comprehend:DetectPiiEntities"], every_resource("detecting personal data"))
    return [
        *access.read(runs("dataset/*"), runs("screening/*")),
        *access.write(runs("screening/*"), runs("screening.json")),
        *access.begin_billing("personal-data"),
        *([detect] if access.environment.validation.comprehend_max_usd else []),
    ]


def _score_similarity(access: Access) -> list[Permission]:
    weights = access.environment.similarity.weights
    return [
        *access.read(runs("answers-*"), runs("similarity/*")),
        *(access.read(weights_of(weights)) if weights else []),
        *access.write(runs("similarity/*")),
    ]


def _start_training(access: Access) -> list[Permission]:
    jobs, models = access.bedrock("model-customization-job"), access.bedrock("custom-model")
    to_bedrock = {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
    return [
        # Bedrock authorizes the call on the base model, the job and the model to be.
        *access.create_tagged(
            "bedrock:CreateModelCustomizationJob",
            [*access.tunable_models(), jobs, models],
            makes=[jobs, models],
        ),
        *access.find_job(),
        Permission(["iam:PassRole"], [IamArn(access.service_role_arn)], to_bedrock),
        *access.read(runs("dataset/*")),
        *access.begin_billing("training"),
        *access.customize_with_key(),
    ]


START_TRAINING = Step(
    "Start training", variables=StartTrainingVariables, permissions=_start_training
)
BUY_THROUGHPUT = Step(
    "Buy throughput",
    permissions=lambda access: [
        *access.create_tagged(
            "bedrock:CreateProvisionedModelThroughput",
            [access.bedrock("custom-model")],
            makes=[access.bedrock("provisioned-model")],
        ),
        *access.find_throughput(),
        *access.begin_billing("provisioned-throughput"),
        *access.use_key_through("bedrock"),
    ],
)
CREATE_DEPLOYMENT = Step(
    "Create deployment",
    permissions=lambda access: [
        *access.create_tagged(
            "bedrock:CreateCustomModelDeployment",
            [access.bedrock("custom-model"), access.bedrock("custom-model-deployment")],
            makes=[access.bedrock("custom-model-deployment")],
        ),
        *access.find_deployment(),
        *access.use_key_through("bedrock"),
    ],
)
PIPELINE_STEPS = (
    Step(
        "Check preflight",
        variables=CheckPreflightVariables,
        permissions=lambda access: [
            access.list_keys(datasets("*"), runs("*"), approvals("*")),
            access.get(runs("run.json"), runs("answers-*/tallies/*")),
            *access.use_key_through("s3"),
            *access.find_job(),
            *access.count_resources(),
            *access.look_up_models(),
            *access.invoke_untuned_models(),
            access.find_custom_model(),
        ],
        timeout_seconds=120,  # models may take their time for an answer
    ),
    Step(
        "Validate dataset",
        layers=("core", "arrays"),
        # Streams files of gigabytes, reading ahead in threads: 1,769 MB give one vCPU, this 1.7.
        memory_mb=MAX_MEMORY_MB,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(datasets("*"), runs("dataset/*"), runs("quote.json")),
            *access.write(
                *map(runs, ("dataset/*", "few-shot.json", "run.json", "validation.json"))
            ),
        ],
    ),
    Step(
        "Quote cost",
        variables=PriceVariables,
        permissions=lambda access: access.write(runs("quote.json")),
    ),
    Step(
        "Approve spend",
        variables=ApproveSpendVariables,
        permissions=lambda access: [
            *access.read(runs("dataset/*")),
            *access.write(approvals("*/request.json")),
            *access.publish(),
        ],
    ),
    Step(
        "Confirm decision",
        variables=ConfirmDecisionVariables,
        permissions=lambda access: [access.describe_decisions()],
    ),
    Step(
        "Screen dataset",
        layers=("core", "arrays"),
        # Streams the files, and keeps the records that comprehend_max_usd pays for.
        memory_mb=1769,
        timeout_seconds=MAX_SECONDS,
        permissions=_screen_dataset,
    ),
    Step(
        "Plan review",
        variables=PriceVariables,
        # Streams a training file of up to 5 GB; keeps the records that max_review_usd pays for.
        memory_mb=1769,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: (
            access.read(runs("dataset/training.jsonl"))
            + access.write(runs("review/items.jsonl"))
            + access.begin_billing("review-of-the-training-data")
        ),
    ),
    Step(
        "Review records",
        memory_mb=512,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(runs("review/batches/*")),
            *access.write(runs("review/batches/*")),
            *access.invoke_judges(),
        ],
    ),
    Step(
        "Summarise review",
        variables=PriceVariables,
        memory_mb=512,
        timeout_seconds=120,
        permissions=lambda access: [
            # Step Functions chooses where below the prefix it leaves the results of a map.
            *access.read(runs("review/*")),
            *access.write(runs("review.json"), runs("review/rows.jsonl")),
        ],
    ),
    START_TRAINING,
    Step("Check training", permissions=Access.stop_job),
    Step("Stop training", permissions=Access.stop_job),
    Step(
        "Read loss curves",
        memory_mb=1024,
        timeout_seconds=120,
        layers=("core", "arrays", "plotting"),
        permissions=lambda access: access.read(runs("training/*")) + access.write(runs("losses.*")),
    ),
    Step(
        "Answer with base model",
        memory_mb=512,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(*map(runs, (*_QUESTIONS, "answers-base/*"))),
            *access.write(runs("answers-base/*")),
            *access.begin_billing("answers-of-the-base-model"),
            *access.invoke_base_models(),
        ],
    ),
    Step(
        "Answer with other models",
        memory_mb=512,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(
                *map(runs, ("answers-*", "dataset/evaluation.jsonl", "few-shot.json")),
            ),
            *access.write(runs("answers-*")),
            *access.begin_billing("answers-of-*"),
            *access.invoke_untuned_models(),
        ],
    ),
    BUY_THROUGHPUT,
    Step("Check throughput", permissions=Access.find_throughput),
    CREATE_DEPLOYMENT,
    Step("Check deployment", permissions=Access.find_deployment),
    Step(
        "Answer with tuned model",
        memory_mb=512,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(*map(runs, (*_QUESTIONS, "answers-tuned/*"))),
            *access.write(runs("answers-tuned/*")),
            *access.begin_billing("answers-of-the-tuned-model"),
            Permission(
                ["bedrock:InvokeModel"],
                [access.bedrock("provisioned-model"), access.bedrock("custom-model-deployment")],
            ),
            *access.get_hosting(),
            *access.use_key_through("bedrock"),
        ],
    ),
    Step("Announce hold", variables=TopicVariables, permissions=Access.publish),
    Step(
        "Release hosting",
        variables=ArtefactVariables,
        permissions=lambda access: access.release_hosting() + access.write(runs("released.json")),
    ),
    Step(
        "Judge answers",
        memory_mb=512,
        timeout_seconds=MAX_SECONDS,
        permissions=lambda access: [
            *access.read(runs("answers-*"), runs("judgements/*")),
            *access.write(runs("judgements/*")),
            *access.begin_billing("judgements"),
            *access.invoke_judges(),
        ],
    ),
    Step(
        "Score similarity",
        variables=ScoreSimilarityVariables,
        memory_mb=1769,  # one vCPU, all of which it uses
        disk_mb=1024,  # weights of a multilingual BERT are 0.7 GB
        timeout_seconds=MAX_SECONDS,
        layers=("core", "similarity"),
        permissions=_score_similarity,
    ),
    Step(
        "Decide verdict",
        memory_mb=1024,
        timeout_seconds=MAX_SECONDS,  # joins all that is known of each question
        permissions=lambda access: [
            *access.read(
                *map(
                    runs,
                    (
                        "answers-*",
                        "dataset/answer.schema.json",
                        "judgements/*",
                        "similarity/*",
                        "validation.json",
                    ),
                )
            ),
            *access.write(runs("results/*"), runs("verdict.json")),
        ],
    ),
    Step(
        "Write report",
        variables=WriteReportVariables,
        memory_mb=1024,
        timeout_seconds=MAX_SECONDS,  # reads all that is known of each question
        permissions=lambda access: [
            *access.read(
                *map(
                    runs,
                    (
                        "losses.svg",
                        "quote.json",
                        "results/*",
                        "review.json",
                        "training/*",
                        "verdict.json",
                    ),
                )
            ),
            *access.write(runs("report.html"), runs("manifest.json"), runs("cost.json")),
        ],
    ),
    Step(
        "Notify",
        variables=TopicVariables,
        permissions=lambda access: access.publish() + access.meter_unfinished(),
    ),
    Step(
        "Decide spend",
        variables=ArtefactVariables,
        permissions=lambda access: [
            *access.read(approvals("*")),
            Permission(["states:SendTaskSuccess"], [IamArn(access.machine_arn)]),
            Permission(["states:GetExecutionHistory"], [access.executions(":*")]),
            access.describe_executions(),
            access.describe_decisions(),
        ],
    ),
)
