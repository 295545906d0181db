"""Customization jobs of the offline Bedrock, against what AWS documents."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Scenario
from tests.fakes.offline_bedrock import BUCKET, NOVA, Account, nova_account, record, tuned_nova

LLAMA = "meta.llama3-1-8b-instruct-v1:0:128k"


def many_tags(count: int) -> list[dict[str, str]]:
    return [{"key": f"tag-{number}", "value": "x"} for number in range(count)]


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def phases(account: Account, arn: str) -> list[str]:
    details = account.control.get_model_customization_job(jobIdentifier=arn)["statusDetails"]
    order = ("validationDetails", "dataProcessingDetails", "trainingDetails")
    return [details[each]["status"] for each in order]


def test_a_job_moves_through_its_phases_on_the_clock() -> None:
    account = Account()
    arn = account.start()
    assert phases(account, arn) == ["InProgress", "NotStarted", "NotStarted"]
    account.clock.advance(5)
    assert phases(account, arn) == ["Completed", "InProgress", "NotStarted"]
    account.clock.advance(5)
    assert phases(account, arn) == ["Completed", "Completed", "InProgress"]
    account.clock.advance(300)
    done = account.control.get_model_customization_job(jobIdentifier=arn)
    assert done["status"] == "Completed"
    assert done["endTime"] > done["creationTime"]
    assert done["hyperParameters"]["epochCount"] == "3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "place", "ends"),
    [
        (
            Scenario(validation_folder="post_fine_tuning_validation/validation"),
            "post_fine_tuning_validation/validation",
            b"\n",
        ),
        (Scenario(validation_folder=""), "", b"\n"),
        (Scenario(validation_curve="empty"), "post_fine_tuning_validation", b""),
        (
            Scenario(validation_curve="header_only"),
            "post_fine_tuning_validation",
            b"validation_loss\n",
        ),
        (Scenario(validation_curve="nan"), "post_fine_tuning_validation", b",nan\n"),
    ],
)
def test_a_job_leaves_the_validation_curve_that_is_asked_for(
    scenario: Scenario, place: str, ends: bytes
) -> None:
    account = Account(scenario)
    arn = account.start()
    account.clock.advance(600)
    folder = f"out/model-customization-job-{arn.rpartition('/')[2]}/validation_artifacts"
    file = "/".join(filter(None, (folder, place, "validation_metrics.csv")))
    assert account.objects.stored[file].endswith(ends)


def test_a_completed_job_leaves_metrics_model_tags_and_event() -> None:
    account = Account()
    arn = account.start()
    account.clock.advance(600)
    job = account.control.get_model_customization_job(jobIdentifier=arn)
    folder = f"out/model-customization-job-{arn.rpartition('/')[2]}"
    training = f"{folder}/training_artifacts/step_wise_training_metrics.csv"
    validation = f"{folder}/validation_artifacts/post_fine_tuning_validation/validation_metrics.csv"
    rows = list(csv.DictReader(io.StringIO(account.objects.stored[training].decode())))
    assert [*rows[0]] == ["step_number", "epoch_number", "training_loss"]
    assert len(rows) == 3 * 2  # 3 epochs of ceil(40 / 32) steps
    assert float(rows[-1]["training_loss"]) == job["trainingMetrics"]["trainingLoss"]
    assert account.objects.stored[validation].startswith(
        b"step_number,epoch_number,validation_loss"
    )

    counts = account.objects.stored[f"{folder}/input_status/manifest.report.csv"].decode()
    assert counts.splitlines()[1:] == ["training.jsonl,40,40,0,0", "validation.jsonl,32,32,0,0"]

    model = account.control.get_custom_model(modelIdentifier=job["outputModelArn"])
    assert model["modelStatus"] == "Active"
    tags = account.control.list_tags_for_resource(resourceARN=job["outputModelArn"])["tags"]
    assert tags == [{"key": "owner", "value": "us"}]

    begun, (_, _, detail_type, detail, resources) = account.events
    assert (begun[3]["jobStatus"], "endTime" in begun[3]) == ("InProgress", False)
    assert detail_type == "Model Customization Job State Change"
    assert (detail["jobStatus"], detail["jobArn"], resources) == ("Completed", arn, [arn])


def test_a_token_starts_one_job() -> None:
    account = Account()
    assert account.start(clientRequestToken="t") == account.start(clientRequestToken="t")
    assert len(account.bedrock.snapshot()["jobs"]) == 1


@pytest.mark.parametrize(
    ("scenario", "region", "change", "expected", "said"),
    [
        (Scenario(), "us-west-2", {"baseModelIdentifier": "no.such-model-v1:0:8k"},
         "ValidationException", "model identifier is invalid"),
        (Scenario(), "us-east-1", {}, "ValidationException", "model identifier is invalid"),
        (Scenario(haiku_arrangement=False), "us-west-2", {},
         "ValidationException", "model identifier is invalid"),
        (Scenario(), "us-west-2", {"roleArn": "arn:aws:iam::000000000000:role/other"},
         "ValidationException", "Could not assume provided IAM role"),
        (Scenario(), "us-west-2", {"hyperParameters": {"learningRate": "1"}},
         "ValidationException", "learningRate is not supported"),
        (Scenario(), "us-west-2", {"hyperParameters": {"epochCount": "11"}},
         "ValidationException", "between 1 and 10"),
        (Scenario(), "us-west-2", {"outputDataConfig": {"s3Uri": "s3://no-such-bucket/x"}},
         "ValidationException", "does not exist"),
        (Scenario(), "us-west-2", {"jobName": "under_score"},
         "ValidationException", "regular expression pattern"),
        (Scenario(), "us-west-2", {"customizationType": "MAGIC"},
         "ValidationException", "enum value set"),
        (Scenario(), "us-west-2", {"customizationType": "DISTILLATION"},
         "ValidationException", "DISTILLATION is not supported by Claude 3 Haiku"),
        (Scenario(), "us-west-2", {"baseModelIdentifier": LLAMA, "hyperParameters": {},
                                   "customizationType": "DISTILLATION"},
         "ValidationException", "by FINE_TUNING only"),
        (Scenario(), "us-west-2", {"trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/data/"}},
         "ValidationException", "should be a file, not a directory"),
        (Scenario(), "us-west-2", {"trainingDataConfig": {}},
         "ValidationException", "Invalid training input data configuration"),
        (Scenario(), "us-west-2", {"jobTags": many_tags(51)},
         "TooManyTagsException", "more than 50"),
        (Scenario(), "us-west-2", {"customModelTags": [{"key": "AWS:x", "value": "y"}]},
         "ValidationException", "AWS:x"),
        (Scenario(), "us-west-2", {"jobTags": [{"key": "x", "value": "y"}] * 2},
         "ValidationException", "Duplicate"),
        (Scenario(), "us-west-2", {"jobName": ""}, "ValidationException", "length greater"),
        (Scenario(running_jobs=0), "us-west-2", {},
         "ServiceQuotaExceededException", "L-0406044C"),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_refused(
    scenario: Scenario, region: str, change: dict[str, Any], expected: str, said: str
) -> None:
    account = Account(scenario, region)
    with pytest.raises(ClientError, match=said) as error:
        account.start(**change)
    assert code(error) == expected
    assert account.bedrock.snapshot()["jobs"] == []


def test_a_missing_member_is_named() -> None:
    with pytest.raises(ClientError, match=r"'roleArn' failed.*must not be null"):
        Account().control.create_model_customization_job(jobName="x")


def test_a_name_is_taken_for_ever() -> None:
    account = Account()
    account.tuned()
    with pytest.raises(ClientError) as error:
        account.start()
    assert code(error) == "ValidationException"


def test_a_models_name_is_held_from_its_jobs_start_until_nothing_has_it() -> None:
    account = Account(Scenario(running_jobs=9))

    def start(name: str) -> str:
        return account.start(name, customModelName="ours")

    def refused(name: str) -> None:
        with pytest.raises(ClientError, match="custom model name is in use: ours") as error:
            start(name)
        assert code(error) == "ConflictException"

    start("first")
    refused("second")
    account.control.stop_model_customization_job(jobIdentifier="first")
    refused("third")
    account.clock.advance(2)
    start("fourth")
    account.clock.advance(600)
    refused("fifth")
    account.control.delete_custom_model(modelIdentifier="ours")
    start("sixth")


def test_no_resource_has_more_than_50_tags() -> None:
    account = nova_account()
    model = tuned_nova(account)
    account.control.tag_resource(resourceARN=model, tags=many_tags(49))  # and it has one
    account.control.tag_resource(resourceARN=model, tags=many_tags(1))  # again
    for act in (
        lambda: account.control.tag_resource(
            resourceARN=model, tags=[{"key": "one-more", "value": "x"}]
        ),
        lambda: account.buy(model, tags=many_tags(51)),
        lambda: account.deploy(model, tags=many_tags(51)),
    ):
        with pytest.raises(ClientError) as error:
            act()
        assert code(error) == "TooManyTagsException"
    assert account.bedrock.alive() == []


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([record(1)] * 31, "at least 32 are needed"),
        ([record(1)] * 33 + ["{"], "training data line 34"),
        ([record(1)] * 33 + [{"prompt": "a", "completion": "b"}], "line 34 is not in the format"),
        (
            [record(1)] * 33 + [{"messages": [{"role": "user", "content": "a"}]}],
            "roles must alternate",
        ),
    ],
)
def test_a_bad_dataset_fails_the_job(records: list[Any], said: str) -> None:
    account = Account()
    account.upload("data/training.jsonl", records)
    account.upload("data/validation.jsonl", [record(1)])
    arn = account.start()
    account.clock.advance(5)
    job = account.control.get_model_customization_job(jobIdentifier=arn)
    assert job["status"] == "Failed"
    assert said in job["failureMessage"]


def test_stopping_takes_a_moment_and_trains_nothing() -> None:
    account = Account()
    arn = account.start()
    account.control.stop_model_customization_job(jobIdentifier="job")
    assert account.control.get_model_customization_job(jobIdentifier=arn)["status"] == "Stopping"
    account.clock.advance(600)
    assert account.control.get_model_customization_job(jobIdentifier=arn)["status"] == "Stopped"
    assert account.bedrock.snapshot()["models"] == []
    assert account.bedrock.alive() == []
    with pytest.raises(ClientError) as error:
        account.control.stop_model_customization_job(jobIdentifier=arn)
    assert code(error) == "ConflictException"


def test_lists_filter_and_page() -> None:
    account = Account(Scenario(running_jobs=9))
    for number in range(5):
        account.start(f"job-{number}")
        account.clock.advance(1)
    account.control.stop_model_customization_job(jobIdentifier="job-0")
    listed = account.control.list_model_customization_jobs

    def names(**filters: Any) -> list[str]:
        return [each["jobName"] for each in listed(**filters)["modelCustomizationJobSummaries"]]

    assert names() == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    assert names(sortOrder="Ascending", maxResults=2) == ["job-0", "job-1"]
    assert names(statusEquals="Stopping") == ["job-0"]
    assert names(nameContains="b-3") == ["job-3"]
    pages = account.control.get_paginator("list_model_customization_jobs").paginate(
        PaginationConfig={"PageSize": 2}
    )
    found = [each["jobName"] for page in pages for each in page["modelCustomizationJobSummaries"]]
    assert found == names()


@pytest.mark.parametrize("outcome", ["stuck_not_started", "stuck_training", "fail"])
def test_a_scenario_decides_how_a_job_goes(outcome: Any) -> None:
    account = Account(Scenario(job_outcome=outcome))
    arn = account.start()
    account.clock.advance(60 * 80)
    status = account.control.get_model_customization_job(jobIdentifier=arn)["status"]
    assert status == ("Failed" if outcome == "fail" else "InProgress")
    expected = {"stuck_not_started": "NotStarted", "stuck_training": "InProgress", "fail": "Failed"}
    assert phases(account, arn)[2] == expected[outcome]


def told(account: Account) -> list[str]:
    return [detail["jobStatus"] for _, _, _, detail, _ in account.events]


@pytest.mark.parametrize(
    ("delivery", "after"),
    [
        ("once", {0: ["InProgress"], 5: ["InProgress", "Stopping", "Stopped"]}),
        ("never", {0: [], 60: []}),
        ("late", {9: [], 10: ["InProgress"], 60: ["InProgress", "Stopping", "Stopped"]}),
        (
            "twice",
            {
                0: ["InProgress"],
                5: ["InProgress", "Stopping", "Stopped"],
                60: ["InProgress", "Stopping", "Stopped"] * 2,
            },
        ),
    ],
)
def test_events_arrive_as_the_scenario_says(delivery: Any, after: dict[int, list[str]]) -> None:
    account = Account(Scenario(events=delivery, event_minutes=10))
    account.start()
    now = 0
    for minutes, expected in after.items():
        if now < 1 <= minutes:
            account.clock.advance(1)
            account.control.stop_model_customization_job(jobIdentifier="job")
            now = 1
        account.clock.advance(minutes - now)
        now = minutes
        assert told(account) == expected


def test_events_can_overtake_each_other_and_do_so_alike_every_time() -> None:
    def order(seed: int) -> list[str]:
        account = Account(Scenario(events="out_of_order", event_minutes=30, seed=seed))
        account.start()
        account.control.stop_model_customization_job(jobIdentifier="job")
        account.clock.advance(60)
        return told(account)

    orders = [order(seed) for seed in range(9)]
    assert orders == [order(seed) for seed in range(9)]
    assert {tuple(sorted(each)) for each in orders} == {("InProgress", "Stopped", "Stopping")}
    assert len({*map(tuple, orders)}) > 2


def test_what_is_due_on_the_bus_does_not_outlive_a_reset() -> None:
    account = Account(Scenario(events="late"))
    account.start()
    account.bedrock.reset()
    account.clock.advance(60)
    assert account.events == []


def test_lists_lag_behind_creation() -> None:
    account = nova_account(Scenario(list_lag_minutes=5))
    control = account.control
    model = tuned_nova(account)
    account.clock.advance(60)
    arns = {
        account.buy(model),
        account.deploy(model),
        account.start("other", baseModelIdentifier=NOVA, hyperParameters={}),
    }

    def listed() -> set[str]:
        return {
            *(
                each["provisionedModelArn"]
                for each in control.list_provisioned_model_throughputs()[
                    "provisionedModelSummaries"
                ]
            ),
            *(
                each["customModelDeploymentArn"]
                for each in control.list_custom_model_deployments()["modelDeploymentSummaries"]
            ),
            *(
                each["jobArn"]
                for each in control.list_model_customization_jobs(nameContains="other")[
                    "modelCustomizationJobSummaries"
                ]
            ),
        }

    assert listed() == set()
    assert control.get_model_customization_job(jobIdentifier="other")["jobArn"] in arns
    account.clock.advance(4.9)
    assert listed() == set()
    account.clock.advance(0.1)
    assert listed() == arns
    assert [each["modelArn"] for each in control.list_custom_models()["modelSummaries"]] == [model]
