"""The deployed machine, offline: one success, and everything that may go wrong."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace
from typing import Any

import boto3
import pytest

from lambdas.domain.cost.quote import HOSTING
from lambdas.domain.parallel import CONCURRENCY
from local.bedrock import Fault, Scenario
from local.call_faults import CallFault
from local.rehearsal.deployment import configured, unloadable, upload_converted
from local.rehearsal.rehearse import REGION
from tests.article import ARTICLE, needs_article
from tests.repository import ROOT
from tests.workflow.deployed_machine import Machine, Outcome

pytestmark = pytest.mark.usefixtures("enforced")

BUY, DELETE = "CreateProvisionedModelThroughput", "DeleteProvisionedModelThroughput"
QUICK = Scenario(provisioning_minutes=3)
BASE_ANSWERS, TUNED_ANSWERS = "Answer with base model", "Answer with tuned model"
OTHER_ANSWERS = "Answer with other models"


def mails(queue: str) -> list[dict[str, str]]:
    sqs: Any = boto3.client("sqs")
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def mail_of(ended: Outcome, queue: str) -> dict[str, str]:
    """Return a run's only mail: the guard of an earlier one may still tell of that."""
    [mail] = [each for each in mails(queue) if ended.arn in each["Message"]]
    return mail


_DEPTH = 2  # of a run's own files: runs/<run>/<file>


def read_json(machine: Machine, outcome: Outcome, name: str) -> Any:
    s3: Any = boto3.client("s3")
    [key] = [
        item["Key"]
        for item in s3.list_objects_v2(Bucket=machine.bucket, Prefix=f"runs/{outcome.name[:20]}")[
            "Contents"
        ]
        if item["Key"].endswith(f"/{name}") and item["Key"].count("/") == _DEPTH
    ]
    return json.loads(s3.get_object(Bucket=machine.bucket, Key=key)["Body"].read())


def bought(machine: Machine) -> int:
    purchases: int = machine.offline.bedrock.snapshot()["purchases"]
    return purchases


def assert_nothing_left(machine: Machine, seconds: float = 40) -> None:
    """Nothing runs or bills; a job that is being stopped gets a simulated minute for it."""
    deadline = time.monotonic() + seconds
    while machine.offline.bedrock.alive() and time.monotonic() < deadline:
        machine.offline.clock.advance(60)
        time.sleep(0.1)
    assert machine.offline.bedrock.alive() == []


def test_a_run_from_empty_input_ends_tuned_answered_and_released(
    machine: Machine, inbox: str
) -> None:
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.states.index(BASE_ANSWERS) < ended.states.index("Buy throughput")
    assert ended.states.index(TUNED_ANSWERS) < ended.states.index("Release hosting")
    assert ended.output["verdict"] == "better"
    assert bought(machine) == 1
    assert_nothing_left(machine)
    # Simulated minutes are those of a real run: hours of training, 20 minutes of provisioning.
    assert 90 < ended.minutes < 300
    assert 20 <= machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"] < 24

    manifest = read_json(machine, ended, "manifest.json")
    assert manifest["model"]["key"] == "claude-3-haiku"
    verdict = read_json(machine, ended, "verdict.json")
    assert verdict["questions"] == 24
    assert verdict["tuned_mean"] > verdict["base_mean"]
    assert verdict["similarity"]["tuned"].keys() == {"rouge_l", "chrf", "length_ratio"}
    assert "make weights puts it there" in manifest["similarity"]["problem"]
    losses = read_json(machine, ended, "losses.json")
    assert len(losses["epochs"]) >= 3

    mail = mail_of(ended, inbox)
    assert "better" in (mail["Subject"] + mail["Message"]).lower()


def test_a_hold_keeps_the_throughput_and_judges_meanwhile(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    ended = machine.run({"hold_minutes": 60})
    assert ended.status == "SUCCEEDED", ended.cause
    billed = machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"]
    assert 63 <= billed < 66
    assert ended.states.index("Judge answers") < ended.states.index("Release hosting")


def test_two_runs_at_once_do_not_disturb_each_other(machine: Machine) -> None:
    machine.offline.bedrock.scenario = replace(QUICK, no_commitment_units=2)
    first, second = machine.start(), machine.start()
    outcomes = [machine.wait(first), machine.wait(second)]
    assert [each.status for each in outcomes] == ["SUCCEEDED", "SUCCEEDED"]
    assert outcomes[0].output["report"] != outcomes[1].output["report"]
    assert bought(machine) == 2
    assert_nothing_left(machine)


def test_other_models_answer_and_are_judged_before_and_beside_the_tuned_one(
    machine: Machine, inbox: str
) -> None:
    # The answer that the preflight asks for comes, and no other.
    denied = Fault("Converse", "access_denied", after=1, model="claude-haiku-4-5")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(denied,))
    others = ["claude-haiku-4-5", "few-shot", "nova-lite"]
    ended = machine.run({"also_compare": others})
    assert ended.status == "SUCCEEDED", ended.cause
    asked = [each for each in ended.states if each == OTHER_ANSWERS]
    assert len(asked) == len(others)
    assert ended.states.index(OTHER_ANSWERS) < ended.states.index("Buy throughput")

    manifest = read_json(machine, ended, "manifest.json")
    standings = {each["standing"]["key"]: each for each in manifest["offers"]}
    assert [*standings] == ["base", "tuned", *others]
    given_up, *asked = others
    assert "an explicit deny" in standings[given_up]["standing"]["failure"]
    assert {standings[key]["standing"]["scored"] for key in ("base", "tuned", *asked)} == {24}
    for key in asked:
        assert standings[key]["usd"] > 0
        assert "answers an hour on: $132.00 an hour" in standings[key]["beside_tuned"]
        assert manifest["tokens"][key]["input"] > 0
    # The examples are in each question's prompt, and paid for.
    assert manifest["tokens"]["few-shot"]["input"] > 2 * manifest["tokens"]["base"]["input"]
    spent = {each["what"]: each for each in manifest["spent"]}
    for name in ("the base model with examples", "Amazon Nova Lite"):
        for tokens in ("input", "output"):
            item = spent[f"Answers of {name}, {tokens} tokens"]
            assert 0 < item["usd"] < item["quoted_usd"] * 3
            assert not item["at_most"]
    kept = read_json(machine, ended, "few-shot.json")
    assert kept["tokens"] == manifest["dataset"]["few_shot_tokens"] > 0
    assert ended.output["alternatives"] == manifest["verdict"]["alternatives"]
    assert ended.output["alternatives"][0].startswith("Claude Haiku 4.5 could not be compared: ")
    page = read_text(machine, ended.output["report"].partition(f"{machine.bucket}/")[2])
    assert "Was it worth it?" in page
    assert "Amazon Nova Lite" in page
    assert ", and cost of 1,000 answers: the base model " in mail_of(ended, inbox)["Message"]


def read_text(machine: Machine, key: str) -> str:
    s3: Any = boto3.client("s3")
    text: str = s3.get_object(Bucket=machine.bucket, Key=key)["Body"].read().decode()
    return text


def reviews_asked(machine: Machine) -> int:
    """Return how often the judge was asked about training records."""
    functions = [each.function or "" for each in machine.offline.faults.calls]
    asked = [each.operation == "Converse" for each in machine.offline.faults.calls]
    return sum(
        one and function.endswith("review-records")
        for one, function in zip(asked, functions, strict=True)
    )


def test_a_review_comes_before_training_and_into_the_report(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    ended = machine.run({"review_data": True})
    assert ended.status == "SUCCEEDED", ended.cause
    states = ["Quote cost", "Plan review", "Review data", "Summarise review", "Start training"]
    assert [each for each in ended.states if each in states] == states

    manifest = read_json(machine, ended, "manifest.json")
    review = read_json(machine, ended, "review.json")["summary"]
    assert review["reviewed"] == manifest["dataset"]["training_records"] == reviews_asked(machine)
    spent = {each["what"]: each for each in manifest["spent"]}
    assert 0 < spent["Review of the training data"]["usd"] == pytest.approx(review["usd"])
    assert manifest["review"]["mean_score"] == review["mean_score"] > 7
    page = read_text(machine, ended.output["report"].partition(f"{machine.bucket}/")[2])
    assert "Review of the training data" in page
    assert f"Line {review['worst'][0]['line']}" in page


def upload_spoilt(machine: Machine, name: str) -> None:
    """Upload the default dataset with every second answer cut off."""
    s3: Any = boto3.client("s3")
    for file in ("training", "validation", "evaluation"):
        body = read_text(machine, f"datasets/default/{file}.jsonl")
        if file == "training":
            records = [json.loads(line) for line in body.splitlines()]
            for record in records[::2]:
                reply = record["messages"][-1]
                reply["content"] = reply["content"][: len(reply["content"]) // 3] + " TODO"
            body = "".join(json.dumps(record) + "\n" for record in records)
        key = f"datasets/{name}/{file}.jsonl"
        s3.put_object(Bucket=machine.bucket, Key=key, Body=body.encode())


def test_a_review_below_the_lowest_score_stops_the_run_before_training(
    machine: Machine, inbox: str
) -> None:
    upload_spoilt(machine, "spoilt")
    ended = machine.run({"dataset": "spoilt", "review_data": True, "min_review_score": 7})
    assert (ended.status, ended.error) == ("FAILED", "DatasetBelowThreshold")
    assert machine.offline.bedrock.snapshot()["jobs"] == []
    assert "Start training" not in ended.states
    review = read_json(machine, ended, "review.json")["summary"]
    worst = review["worst"][0]
    assert worst["line"] % 2 == 1, "the first, third, … record was spoilt"
    assert f"line {worst['line']} ({worst['score']})" in ended.cause
    assert any(f"line {worst['line']} (" in mail["Message"] for mail in mails(inbox))


def test_stop_execution_ends_a_review(machine: Machine) -> None:
    slow_judge = Fault("Converse", "slow", seconds=1.0, model="nova-pro")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(slow_judge,))
    before = {*machine.offline.executions.records}
    arn = machine.start({"review_data": True})
    machine.wait_for_state(arn, "Review data")
    deadline = time.monotonic() + 20
    while not reviews_asked(machine) and time.monotonic() < deadline:
        time.sleep(0.05)
    states: Any = boto3.client("stepfunctions")
    states.stop_execution(executionArn=arn, cause="enough")
    ended = machine.wait(arn)
    assert ended.status == "ABORTED"
    records = machine.offline.executions.records
    batches = [records[each] for each in records.keys() - before - {arn} if "ReviewData" in each]
    assert {each.status for each in batches} == {"ABORTED"}
    # Two functions may have begun, each with ten records.
    assert 0 < reviews_asked(machine) <= 20
    assert_nothing_left(machine)


def test_unknown_input_is_refused_with_the_nearest_name(machine: Machine, inbox: str) -> None:
    ended = machine.run({"hold_minuts": 5})
    assert (ended.status, ended.error) == ("FAILED", "InputInvalid")
    assert "hold_minutes" in ended.cause
    mail = mail_of(ended, inbox)
    assert "hold_minutes" in mail["Message"]


def test_a_bad_dataset_stops_the_run_before_it_costs_anything(machine: Machine) -> None:
    s3: Any = boto3.client("s3")
    lines = [
        {"system": "s", "messages": [{"role": "user", "content": f"Question {n}?"}]}
        for n in range(40)
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    s3.put_object(Bucket=machine.bucket, Key="datasets/bad/training.jsonl", Body=body)
    s3.copy_object(
        Bucket=machine.bucket,
        Key="datasets/bad/evaluation.jsonl",
        CopySource={"Bucket": machine.bucket, "Key": "datasets/default/evaluation.jsonl"},
    )
    ended = machine.run({"dataset": "bad"})
    assert (ended.status, ended.error) == ("FAILED", "DatasetInvalid")
    assert "training.jsonl:1" in ended.cause
    assert "Start training" not in ended.states
    findings = read_json(machine, ended, "validation.json")
    assert json.dumps(findings).count("training.jsonl") >= 40


def test_a_failed_job_is_reported_in_bedrocks_words(machine: Machine) -> None:
    machine.offline.bedrock.scenario = replace(QUICK, job_outcome="fail")
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "TrainingFailed")
    bill = read_json(machine, ended, "cost.json")
    quote = read_json(machine, ended, "quote.json")
    [training] = (each["high_usd"] for each in quote["items"] if each["what"] == "Training")
    assert bill["at_most"]
    assert training < bill["usd"] + 0.01 <= quote["high_usd"], "training, and nothing that is 0"
    assert "Encountered an internal error" in ended.cause
    assert bought(machine) == 0
    assert_nothing_left(machine)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(validation_folder="post_fine_tuning_validation/validation"),
        Scenario(validation_curve="missing"),
        Scenario(validation_curve="header_only"),
        Scenario(validation_curve="cut", training_curve="cut"),
        Scenario(validation_curve="nan", training_curve="nan"),
        Scenario(validation_curve="empty", training_curve="empty"),
        Scenario(validation_curve="missing", training_curve="missing"),
    ],
    ids=lambda scenario: f"{scenario.training_curve}-{scenario.validation_curve}",
)
def test_no_loss_curve_fails_a_paid_run(machine: Machine, scenario: Scenario) -> None:
    machine.offline.bedrock.scenario = replace(scenario, provisioning_minutes=3)
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    curves = read_json(machine, ended, "manifest.json")["loss_curves"]
    whole = (scenario.training_curve, scenario.validation_curve) == ("whole", "whole")
    assert bool(curves["warnings"]) == (not whole)
    assert (curves["best_epoch"] is None) == (
        scenario.validation_curve in {"missing", "header_only", "empty"}
    )
    assert ("diverged" in curves["verdict"]) == (scenario.training_curve == "nan")


@pytest.mark.parametrize("operation", ["GetProvisionedModelThroughput", "GetModelCustomizationJob"])
def test_one_stale_not_found_is_not_a_deletion(machine: Machine, operation: str) -> None:
    """The first look is of before the purchase, and of before the start."""
    fault = Fault(operation, "not_found", after=1, times=2)
    machine.offline.bedrock.scenario = replace(QUICK, faults=(fault,))
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert bought(machine) == 1
    assert_nothing_left(machine)


@pytest.mark.parametrize("outcome", ["stuck_not_started", "stuck_training"])
def test_a_stuck_job_is_stopped(machine: Machine, outcome: Any) -> None:
    machine.offline.bedrock.scenario = replace(QUICK, job_outcome=outcome)
    ended = machine.run({"max_phase_hours": 5})
    assert (ended.status, ended.error) == ("FAILED", "TrainingStuck")
    assert 5 * 60 < ended.minutes < 6 * 60
    assert_nothing_left(machine)


def test_a_job_that_outlives_its_limit_is_stopped(machine: Machine) -> None:
    ended = machine.run({"max_training_hours": 1})
    assert (ended.status, ended.error) == ("FAILED", "TrainingTimedOut")
    assert_nothing_left(machine)


def test_a_legacy_model_is_refused_with_its_alternatives(machine: Machine) -> None:
    machine.offline.bedrock.scenario = Scenario(haiku_arrangement=False)
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    assert "claude-3-haiku" in ended.cause
    assert "Start training" not in ended.states


def test_a_quota_of_nothing_is_refused_before_training(machine: Machine) -> None:
    machine.offline.bedrock.scenario = Scenario(no_commitment_units=0)
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "PreflightFailed")
    assert "L-BE77399C" in ended.cause
    assert "Start training" not in ended.states


def test_a_purchase_refused_by_quota_names_the_quota(machine: Machine) -> None:
    machine.offline.bedrock.scenario = replace(QUICK, faults=(Fault(BUY, "quota"),))
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "QuotaExceeded")
    assert "L-BE77399C" in ended.cause
    assert "Release hosting after failure" in ended.states
    bill = read_json(machine, ended, "cost.json")
    assert {each["how"] for each in bill["items"] if each["what"] == HOSTING} == {"not begun"}
    assert_nothing_left(machine)


@pytest.mark.parametrize(
    "scenario",
    [Scenario(throughput_outcome="fail"), Scenario(provisioning_minutes=93)],
    ids=["fails", "is-never-ready-in-time"],
)
def test_a_throughput_that_does_not_serve_is_released(machine: Machine, scenario: Scenario) -> None:
    """The second is still being created when the run gives up: its deletion has to be repeated."""
    machine.offline.bedrock.scenario = scenario
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "HostingFailed")
    assert "MAY STILL BILL" not in ended.cause
    assert_nothing_left(machine)


def test_throttled_answers_are_retried(machine: Machine) -> None:
    fault = Fault("Converse", "throttle", times=6, model="provisioned-model")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(fault,))
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert read_json(machine, ended, "verdict.json")["questions"] == 24


def test_answers_that_keep_failing_end_the_run_and_the_meter(machine: Machine) -> None:
    fault = Fault("Converse", "refused", times=4, model="provisioned-model")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(fault,))
    ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "AnswersFailed")
    assert "Release hosting after failure" in ended.states
    assert_nothing_left(machine)


def test_a_release_that_is_refused_for_a_while_is_repeated(machine: Machine) -> None:
    fault = Fault(DELETE, "server_error", times=5)
    machine.offline.bedrock.scenario = replace(QUICK, faults=(fault,))
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert_nothing_left(machine)


def test_a_release_that_is_denied_says_what_still_bills(machine: Machine, inbox: str) -> None:
    machine.offline.bedrock.scenario = replace(QUICK, faults=(Fault(DELETE, "access_denied"),))
    ended = machine.run()
    assert ended.status == "FAILED"
    [throughput] = machine.offline.bedrock.snapshot()["throughputs"]
    assert "MAY STILL BILL" in ended.cause
    assert "delete-provisioned-model-throughput --provisioned-model-id" in ended.cause
    assert f"--region {REGION}" in ended.cause
    assert throughput["name"] in ended.cause
    assert any("MAY STILL BILL" in mail["Message"] for mail in mails(inbox))


def test_a_function_that_dies_while_the_meter_runs_releases(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    with unloadable("bedrock-tuning-local-answer-with-tuned-model"):
        ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "Runtime.ImportModuleError")
    assert "Release hosting after failure" in ended.states
    assert_nothing_left(machine)


def test_similarity_that_cannot_be_scored_fails_no_run(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    with unloadable("bedrock-tuning-local-score-similarity"):
        ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    manifest = read_json(machine, ended, "manifest.json")
    assert manifest["verdict"]["similarity"] is None
    assert manifest["similarity"]["problem"].startswith(
        "Score similarity failed: Runtime.ImportModuleError: "
    )


def asked(machine: Machine, slug: str) -> int:
    """Return how many requests a function has sent to models."""
    calls = machine.offline.faults.calls
    return sum(each.operation == "Converse" and slug in (each.function or "") for each in calls)


@pytest.mark.parametrize("slug", ["answer-with-base-model", "answer-with-tuned-model"])
def test_what_a_killed_function_has_answered_is_not_asked_again(
    machine: Machine, slug: str
) -> None:
    """It is killed with the 20th of its 24 answers, at which at most eight are on their way."""
    machine.offline.bedrock.scenario = QUICK
    machine.offline.faults.set(CallFault("function_killed", "Converse", slug, times=1, after=19))
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert 24 < asked(machine, slug) <= 24 + CONCURRENCY
    assert read_json(machine, ended, "verdict.json")["questions"] == 24
    assert_nothing_left(machine)


@pytest.mark.parametrize(
    ("slug", "model", "state"),
    [
        ("answer-with-base-model", "claude-3-haiku", BASE_ANSWERS),
        ("answer-with-tuned-model", "provisioned-model", TUNED_ANSWERS),
        ("judge-answers", "nova-pro", "Judge answers"),
    ],
)
def test_a_function_without_time_for_all_goes_on_where_it_stopped(
    machine: Machine, slug: str, model: str, state: str
) -> None:
    slow = Fault("Converse", "slow", seconds=1.0, model=model)
    machine.offline.bedrock.scenario = replace(QUICK, faults=(slow,))
    machine.offline.faults.set()
    # A request needs 60 s, a second for each ten tokens, and 30 s to keep its outcome.
    with configured(f"bedrock-tuning-local-{slug}", Timeout=143):
        ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.states.count(state) > 1
    # A score of each answer, and which is better in both orders.
    assert asked(machine, slug) == (96 if slug == "judge-answers" else 24)
    assert_nothing_left(machine)


def test_a_function_without_time_for_one_question_ends_the_run_and_the_meter(
    machine: Machine,
) -> None:
    machine.offline.bedrock.scenario = QUICK
    with configured("bedrock-tuning-local-answer-with-tuned-model", Timeout=100):
        ended = machine.run()
    assert (ended.status, ended.error) == ("FAILED", "AnswersFailed")
    assert "a whole pass added none: no time was left to begin" in ended.cause
    assert ended.states.count(TUNED_ANSWERS) == 1
    assert_nothing_left(machine)


def test_a_function_that_times_out_while_the_meter_runs_releases(machine: Machine) -> None:
    """Until each question on the way was asked as often as it may be, or three times."""
    machine.offline.bedrock.scenario = QUICK
    fault = CallFault("function_timed_out", "Converse", "answer-with-tuned-model")
    machine.offline.faults.set(fault)
    ended = machine.run()
    machine.offline.faults.set()
    assert ended.status == "FAILED"
    assert ended.error in {"AnswersFailed", "Sandbox.Timedout"}, "by how many were on their way"
    assert_nothing_left(machine)
    # Three minutes of provisioning, and two or three time-outs of fifteen.
    assert 33 < machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"] < 51


def test_a_run_stopped_while_the_meter_runs_is_metered_and_mailed(
    machine: Machine, inbox: str
) -> None:
    machine.offline.bedrock.scenario = QUICK
    states: Any = boto3.client("stepfunctions")

    def stop(arn: str, state: str) -> None:
        if state == "Wait for throughput":
            states.stop_execution(executionArn=arn, cause="enough")

    with machine.offline.executions.watching(stop):
        ended = machine.run()
    assert ended.status == "ABORTED"
    assert_nothing_left(machine)
    billed = machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"] / 60 * 132
    deadline, told = time.monotonic() + 40, list[str]()
    while not told and time.monotonic() < deadline:
        machine.offline.clock.advance(30)
        told = [mail["Message"] for mail in mails(inbox) if "was stopped" in mail["Subject"]]
        time.sleep(0.1)
    bill = read_json(machine, ended, "cost.json")
    assert billed < bill["usd"] < read_json(machine, ended, "quote.json")["high_usd"]
    assert f"Cost: at most ${bill['usd']:,.2f}." in told[0]


def test_what_somebody_deleted_by_hand_is_metered(machine: Machine, inbox: str) -> None:
    machine.offline.bedrock.scenario = QUICK
    bedrock: Any = boto3.client("bedrock")

    def delete(_: str, state: str) -> None:
        if state == "Hold throughput":
            [bought] = bedrock.list_provisioned_model_throughputs()["provisionedModelSummaries"]
            arn = bought["provisionedModelArn"]
            bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)

    with machine.offline.executions.watching(delete):
        ended = machine.run({"hold_minutes": 60})
    assert ended.status == "SUCCEEDED", ended.cause
    billed = machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"] / 60 * 132
    bill = read_json(machine, ended, "cost.json")
    assert bill["at_most"]
    assert billed < bill["usd"] < read_json(machine, ended, "quote.json")["high_usd"]
    assert read_json(machine, ended, "manifest.json")["spent_usd"] == bill["usd"]
    shown = f"The run cost at most ${bill['usd']:,.2f}"
    assert any(shown in mail["Message"] for mail in mails(inbox))


def test_stop_execution_stops_the_judging_and_the_hold(machine: Machine) -> None:
    """Stopped in the console: the rule on abnormal ends cleans up from outside."""
    slow_judge = Fault("Converse", "slow", seconds=1.0, model="nova-pro")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(slow_judge,))
    arn = machine.start({"hold_minutes": 60})
    machine.wait_for_state(arn, "Judge answers")
    boto3.client("stepfunctions").stop_execution(executionArn=arn, cause="enough")
    ended = machine.wait(arn)
    assert ended.status == "ABORTED"
    assert_nothing_left(machine)
    assert machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"] < 15


def test_a_run_above_its_ceiling_is_refused_before_it_costs_anything(
    machine: Machine, inbox: str
) -> None:
    ended = machine.run({"max_cost_usd": 100})
    assert (ended.status, ended.error) == ("FAILED", "CostCeilingExceeded")
    assert "minutes x 1 unit x $132 an hour" in ended.cause
    assert machine.offline.bedrock.snapshot()["jobs"] == []
    mail = mail_of(ended, inbox)
    assert ended.cause.partition(": ")[2] in mail["Message"]


def decide(machine: Machine, given: dict[str, Any]) -> Outcome:
    """Start the deciding machine, as a person does."""
    states: Any = boto3.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=f"{machine.arn}-decide-spend", input=json.dumps(given)
    )
    return machine.wait(started["executionArn"])


def asked_run(machine: Machine, inbox: str, arn: str) -> str:
    """Return the name by which a waiting run asks in its mail."""
    machine.wait_for_state(arn, "Approve spend")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for mail in mails(inbox):
            if "approve about $" in mail["Subject"]:
                assert "Provisioned throughput" in mail["Message"]
                return mail["Subject"].rpartition(" ")[2]
        time.sleep(0.1)
    raise AssertionError("nobody was asked")


def decision(machine: Machine, run: str, **changes: str) -> dict[str, str]:
    """Return what approves a waiting run, with the hash of its quote as the bucket has it."""
    s3: Any = boto3.client("s3")
    quote = s3.get_object(Bucket=machine.bucket, Key=f"runs/{run}/quote.json")["Body"].read()
    sha256 = hashlib.sha256(quote).hexdigest()
    return {"run": run, "quote_sha256": sha256, "decision": "approve", "reason": "go"} | changes


def test_a_run_waits_until_a_person_approves(machine: Machine, inbox: str) -> None:
    machine.offline.bedrock.scenario = QUICK
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    assert machine.offline.bedrock.snapshot()["jobs"] == []

    approve = decision(machine, run)
    unknown = decide(machine, approve | {"run": f"{run}x"})
    assert (unknown.status, unknown.error) == ("FAILED", "DecisionRefused")
    assert f"Did you mean '{run}'" in unknown.cause

    another = decide(machine, approve | {"quote_sha256": "0" * 64})
    assert (another.status, another.error) == ("FAILED", "DecisionRefused")
    assert "on another quote" in another.cause

    approved = decide(machine, approve)
    assert approved.status == "SUCCEEDED", approved.cause
    ended = machine.wait(arn)
    assert ended.status == "SUCCEEDED", ended.cause
    kept = read_json(machine, ended, "manifest.json")["approval"]
    assert (kept["reason"], kept["quote_sha256"]) == ("go", approve["quote_sha256"])
    assert kept["decided_in"] == approved.arn

    second = decide(machine, approve | {"decision": "reject"})
    assert (second.status, second.error) == ("FAILED", "DecisionRefused")
    assert "already decided: approve on" in second.cause
    assert approved.arn in second.cause


def test_a_rejected_run_buys_nothing(machine: Machine, inbox: str) -> None:
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    told = decide(machine, decision(machine, run, decision="reject", reason="too dear"))
    assert "nothing was bought" in told.output["message"]
    ended = machine.wait(arn)
    assert (ended.status, ended.error) == ("FAILED", "SpendRejected")
    assert "too dear" in ended.cause
    assert machine.offline.bedrock.snapshot()["jobs"] == []


def test_silence_is_a_rejection(machine: Machine, inbox: str) -> None:
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    machine.offline.clock.advance(25 * 3600)
    ended = machine.wait(arn)
    assert (ended.status, ended.error) == ("FAILED", "SpendRejected")
    assert "nobody decided within approval_hours = 24" in ended.cause
    late = decide(machine, decision(machine, run))
    assert "no decision by" in late.cause


def test_a_decision_that_is_planted_does_not_count(machine: Machine, inbox: str) -> None:
    """Whoever can read the bucket has the token: the run looks at the execution it is told of."""
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    states: Any = boto3.client("stepfunctions")
    kept = boto3.client("s3").get_object(Bucket=machine.bucket, Key=f"approvals/{run}/request.json")
    token = json.loads(kept["Body"].read())["token"]
    execution = f"{machine.arn}-decide-spend:planted".replace("stateMachine", "execution")
    planted = {"decided_in": execution}
    states.send_task_success(taskToken=token, output=json.dumps(planted))
    ended = machine.wait(arn)
    assert (ended.status, ended.error) == ("FAILED", "SpendRejected")
    assert "no execution of the machine that decides" in ended.cause
    assert machine.offline.bedrock.snapshot()["jobs"] == []
    told = decide(machine, decision(machine, run))
    assert (told.status, told.error) == ("FAILED", "DecisionRefused")


def test_a_decision_whose_execution_fails_does_not_count(machine: Machine, inbox: str) -> None:
    """It dies after the run has got the decision: both say that nothing was approved."""
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    machine.offline.faults.set(
        CallFault("function_killed", "SendTaskSuccess", "decide-spend", times=1),
        CallFault("function_killed", "GetExecutionHistory", "decide-spend", times=None),
    )
    told = decide(machine, decision(machine, run))
    machine.offline.faults.set()
    ended = machine.wait(arn)
    assert (told.status, ended.status, ended.error) == ("FAILED", "FAILED", "SpendRejected")
    assert "it ended as FAILED" in ended.cause
    assert machine.offline.bedrock.snapshot()["jobs"] == []


def test_a_decision_whose_function_dies_once_counts(machine: Machine, inbox: str) -> None:
    machine.offline.bedrock.scenario = QUICK
    arn = machine.start({"require_approval": True})
    run = asked_run(machine, inbox, arn)
    fault = CallFault("function_killed", "SendTaskSuccess", "decide-spend", times=1)
    machine.offline.faults.set(fault)
    told = decide(machine, decision(machine, run))
    machine.offline.faults.set()
    assert told.status == "SUCCEEDED", told.cause
    assert machine.wait(arn).status == "SUCCEEDED"


def test_capacity_is_given_back_within_a_minute_of_its_use(machine: Machine) -> None:
    """What bills and serves nobody: the target is one simulated minute, the sample's was 16.7."""
    ended = machine.run({"hold_minutes": 30})
    assert ended.status == "SUCCEEDED", ended.cause
    billed = machine.offline.bedrock.snapshot()["meter"]["throughput_minutes"]
    answering = machine.minutes_in(ended.arn, TUNED_ANSWERS)
    idle = billed - machine.offline.bedrock.scenario.provisioning_minutes - answering - 30
    assert 0 <= idle <= 1


def test_a_run_without_answers_goes_on_with_its_model_at_no_training_cost(
    machine: Machine, inbox: str
) -> None:
    refused = Fault("Converse", "refused", times=4, model="provisioned-model")
    machine.offline.bedrock.scenario = replace(QUICK, faults=(refused,))
    failed = machine.run()
    assert failed.status == "FAILED"
    assert failed.cause.startswith("Serve tuned model: ")
    named = re.search(r'"tuned_by_run": "([^"]+)"', failed.cause)
    assert named
    assert named[0] in mail_of(failed, inbox)["Message"]
    trained = training_meter(machine)

    machine.offline.bedrock.scenario = QUICK
    arn = machine.start({"tuned_by_run": named[1]})
    machine.wait_for_state(arn, BASE_ANSWERS)
    planned = cleanup(machine, {"mode": "delete", "kinds": ["custom-model"]})
    assert "a run under way uses it" in json.dumps(planned.output)
    ended = machine.wait(arn)
    assert ended.status == "SUCCEEDED", ended.cause
    assert ended.output["verdict"] == "better"
    assert {"Start training", "Read loss curves"}.isdisjoint(ended.states)
    assert training_meter(machine) == trained
    assert len(machine.offline.bedrock.snapshot()["jobs"]) == 1
    assert_nothing_left(machine)
    manifest = read_json(machine, ended, "manifest.json")
    assert "Training" not in {each["what"] for each in manifest["spent"]}
    assert manifest["run"]["tuned_by_run"] == named[1]
    files = {each["kind"]: each["sha256"] for each in manifest["dataset"]["files"]}
    s3: Any = boto3.client("s3")
    key = f"runs/{named[1]}/dataset/training.jsonl"
    of_first = s3.get_object(Bucket=machine.bucket, Key=key)["Body"].read()
    assert files["training"] == hashlib.sha256(of_first).hexdigest()


def training_meter(machine: Machine) -> list[dict[str, Any]]:
    items = machine.offline.bedrock.snapshot()["meter"]["items"]
    return [each for each in items if "training" in each["what"]]


def cleanup(machine: Machine, given: dict[str, Any]) -> Outcome:
    states: Any = boto3.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=f"{machine.arn}-cleanup", input=json.dumps(given))[
        "executionArn"
    ]
    return machine.wait(arn)


def test_clean_up_lists_then_deletes_what_it_is_told(machine: Machine) -> None:
    machine.offline.bedrock.scenario = QUICK
    ended = machine.run()
    assert ended.status == "SUCCEEDED", ended.cause
    account, region = ended.arn.split(":")[4], REGION
    bedrock = machine.offline.bedrock
    tags = {"bedrock-tuning:environment": "local"}
    bedrock.add_throughput("local-forgotten", account=account, region=region, tags=tags)
    bedrock.add_throughput("somebody-elses", account=account, region=region)

    planned = cleanup(machine, {})
    assert planned.status == "SUCCEEDED", planned.cause
    assert {each["kind"] for each in planned.output["items"]} == {"throughput", "custom-model"}
    assert len(bedrock.snapshot()["throughputs"]) == 2

    refused = cleanup(machine, {"mode": "delete"})
    assert (refused.status, refused.error) == ("FAILED", "InputInvalid")

    deleted = cleanup(machine, {"mode": "delete", "kinds": ["throughput", "custom-model"]})
    assert deleted.status == "SUCCEEDED", deleted.cause
    assert deleted.output["left"] == []
    assert [each["name"] for each in bedrock.snapshot()["throughputs"]] == ["somebody-elses"]
    assert bedrock.snapshot()["models"] == []


def test_a_purchase_without_our_tags_is_mailed(machine: Machine, inbox: str) -> None:
    machine.offline.bedrock.scenario = Scenario(cloudtrail=True)
    boto3.client("bedrock").create_provisioned_model_throughput(
        provisionedModelName="by-hand",
        modelUnits=1,
        modelId="anthropic.claude-3-haiku-20240307-v1:0:200k",
    )
    deadline = time.monotonic() + 20
    found: list[str] = []
    while not found and time.monotonic() < deadline:
        found = [mail["Message"] for mail in mails(inbox) if "by-hand" in mail["Subject"]]
        time.sleep(0.1)
    assert "without the tag bedrock-tuning:environment" in found[0]


@needs_article
def test_the_reports_own_data_runs_as_it_stands(machine: Machine) -> None:
    upload_converted(ARTICLE, machine.bucket, "claude-3-haiku")
    try:
        ended = machine.run()
    finally:
        upload_converted(ROOT / "dataset", machine.bucket, "claude-3-haiku")
    assert ended.status == "SUCCEEDED", ended.cause
    verdict = read_json(machine, ended, "verdict.json")
    assert (verdict["questions"], verdict["set_aside"]) == (3, 1)
    assert verdict["verdict"] == "not decisive"
    assert "ask at least 6" in verdict["reason"]
    assert verdict["tuned_mean"] > verdict["base_mean"]
