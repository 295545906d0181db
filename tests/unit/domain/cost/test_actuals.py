"""What a run has cost: what was counted, at its prices; of the rest the most that it can be."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.aws.artefacts import ArtefactMissing, Artefacts
from lambdas.aws.billing import Billing
from lambdas.domain.cost.actuals import (
    Bill,
    Spent,
    bill_of,
    finished,
    total,
    unfinished,
)
from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.estimate import make_quote
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.cost.quote import (
    BASE_ANSWERS,
    HOSTING,
    JUDGEMENTS,
    REVIEW,
    TRAINING,
    TUNED_ANSWERS,
    as_bytes,
)
from lambdas.domain.errors import AccessDenied, QuotaExceeded, Throttled
from lambdas.domain.run.contracts import (
    Contract,
    Failure,
    Metered,
    MeterStoppedRunRequest,
    NotifyRequest,
    OtherAnswers,
    Release,
    Screened,
)
from lambdas.domain.training.losses import Epoch, LossHistory
from lambdas.handlers.meter_stopped_run import meter_stopped_run
from lambdas.handlers.notify import handler as notify_handler
from lambdas.handlers.notify import notify
from tests.factories import (
    EXECUTION,
    NOW,
    PREFIX,
    PRICES,
    QUOTED,
    REVIEWED,
    answers,
    data_review,
    dataset,
    hosting,
    nova_run,
    quote,
    report_request,
    run,
)
from tests.fakes import bedrock as fakes_bedrock
from tests.fakes import s3 as fakes_s3
from tests.fakes.bedrock import REGION, TOPIC_ARN, FakeSns
from tests.fakes.s3 import BUCKET, FakeS3, client_error

CALCULATOR = Calculator(PriceBook.load(PRICES), REGION)
GONE = Release(found=False, hosting_arn=None, billed_minutes=None, at=NOW)
KINDS = (TRAINING, BASE_ANSWERS, HOSTING, JUDGEMENTS)


def released(minutes: float) -> Release:
    arn = hosting().hosting_arn
    return Release(found=True, hosting_arn=arn, billed_minutes=minutes, at=NOW)


def rows(**changes: object) -> dict[str, Spent]:
    request = report_request(**changes)
    made = quote(review_data=request.run.settings.review_data)
    return {each.what: each for each in bill_of(made, finished(request, CALCULATOR)).items}


def test_every_item_of_the_quote_has_its_actual_cost() -> None:
    quoted = {each.what: each.expected_usd for each in quote().items}
    assert {what: each.quoted_usd for what, each in rows().items()} == quoted
    assert [what for what, each in rows().items() if each.at_most] == [TRAINING]


def test_training_bills_the_epochs_that_ran() -> None:
    training = rows()[TRAINING]  # 7 of the 10 that were asked for
    assert training.usd == pytest.approx(12_345 * 7 / 1000 * 0.004)
    assert training.how == "12,345 tokens (an upper estimate) in 7 epochs"


def test_a_training_whose_epochs_are_not_known_bills_all_that_were_planned() -> None:
    curves = report_request().loss_curves.model_copy(update={"epochs": None})
    training = rows(loss_curves=curves)[TRAINING]
    assert (training.usd, training.at_most) == (pytest.approx(0.49, abs=0.005), True)


def test_tokens_are_those_that_the_api_counted() -> None:
    expected = {
        "Answers of the base model, input tokens": 330 / 1000 * 0.00025,
        "Answers of the base model, output tokens": 210 / 1000 * 0.00125,
        "Judgements, input tokens": 900 / 1000 * 0.0008,
        "Judgements, output tokens": 80 / 1000 * 0.0032,
    }
    made = rows()
    assert {what: made[what].usd for what in expected} == pytest.approx(expected)


def test_hosting_is_minutes_times_units_times_price() -> None:
    hosted = rows(run=run(model_units=2), release=released(25))[HOSTING]
    assert hosted.usd == pytest.approx(25 / 60 * 2 * 132)
    assert hosted.how == "25.0 minutes, if AWS bills by the minute"


def test_what_somebody_deleted_is_billed_at_most_until_it_was_missed() -> None:
    """Bought 25 minutes ago; the release found nothing, whoever deleted it, and whenever."""
    hosted = rows(release=GONE)[HOSTING]
    assert (hosted.usd, hosted.at_most) == (132, True)
    assert "from 2026-11-23 09:05 UTC to 2026-11-23 09:30 UTC" in hosted.how


def test_a_review_bills_its_tokens() -> None:
    reviewed = rows(run=run(review_data=True), review=REVIEWED)[REVIEW]
    assert (reviewed.usd, reviewed.how) == (REVIEWED.usd, "31 records reviewed, 1 failed")
    assert REVIEW not in rows()


@pytest.mark.parametrize(
    ("part", "kind"),
    [("review", REVIEW), ("base_answers", BASE_ANSWERS), ("judgements", JUDGEMENTS)],
)
def test_a_lost_request_counts_at_the_most_and_is_marked(part: str, kind: str) -> None:
    request = report_request(run=run(review_data=True), review=REVIEWED)
    lost = getattr(request, part).model_copy(update={"lost_requests": 1})
    usage = finished(request.model_copy(update={part: lost}), CALCULATOR)
    bill = bill_of(quote(review_data=True), usage)
    assert bill.at_most
    marked = {each.what.partition(",")[0] for each in bill.items if each.at_most}
    assert marked == {kind, TRAINING}


def of_others(**changes: object) -> dict[str, Spent]:
    """Return the bill's items of what `also_compare` asked."""
    compared = {"also_compare": ["few-shot", "nova-lite"]}
    request = report_request(run=run(**compared), **changes)
    items = bill_of(quote(**compared), finished(request, CALCULATOR)).items
    kinds = ("Answers of the base model with examples", "Answers of Amazon Nova Lite")
    return {each.what: each for each in items if each.what.startswith(kinds)}


def test_other_models_bill_the_tokens_of_their_answers() -> None:
    both = {key: answers(key) for key in ("few-shot", "nova-lite")}
    made = of_others(other_answers=OtherAnswers(answers=both))
    assert {what: each.usd for what, each in made.items()} == pytest.approx(
        {
            "Answers of the base model with examples, input tokens": 330 / 1000 * 0.00025,
            "Answers of the base model with examples, output tokens": 210 / 1000 * 0.00125,
            "Answers of Amazon Nova Lite, input tokens": 330 / 1000 * 0.00006,
            "Answers of Amazon Nova Lite, output tokens": 210 / 1000 * 0.00024,
        }
    )
    assert not any(each.at_most for each in made.values())


def test_a_model_that_was_given_up_or_lost_requests_bills_at_the_most() -> None:
    lost = {"few-shot": answers("few-shot", lost_requests=1)}
    failures = {"nova-lite": "AnswersFailed: all of them"}
    made = of_others(other_answers=OtherAnswers(answers=lost, failures=failures))
    assert all(each.at_most for each in made.values())
    quoted = {each.what: each for each in quote(also_compare=["nova-lite"]).items}
    for what in ("input", "output"):
        given_up = f"Answers of Amazon Nova Lite, {what} tokens"
        assert made[given_up].usd == quoted[given_up].high_usd > 0


def test_a_model_that_was_never_asked_bills_nothing() -> None:
    """The state failed while it asked the first: of that alone some may be billed."""
    made = of_others(other_answers=OtherAnswers(rest="States.Timeout: ", done=True))
    assert {what.split(",")[0]: each.at_most for what, each in made.items()} == {
        "Answers of the base model with examples": True,
        "Answers of Amazon Nova Lite": False,
    }
    assert all(each.usd == 0 for each in made.values() if not each.at_most)


def test_a_screening_bills_what_was_asked() -> None:
    screening = Screened(records=90, of_records=96, usd=0.05, warnings=1, screening_key="k")
    request = report_request(screening=screening)
    usage = finished(request, CALCULATOR)
    [spent, *_] = bill_of(quote(comprehend_max_usd=1), usage).items
    assert (spent.usd, spent.at_most, spent.how) == (0.05, False, "90 of 96 records")


def test_the_total_is_the_sum_in_cents() -> None:
    made = rows().values()
    assert total(made) == round(sum(each.usd for each in made), 2)
    assert total([]) == 0


def test_an_environments_price_is_the_one_that_counts() -> None:
    dear = {"claude-3-haiku": PRICES["claude-3-haiku"] | {"throughput_usd_per_unit_hour": 264.0}}
    usage = finished(report_request(release=released(30)), Calculator(PriceBook.load(dear), REGION))
    assert usage.known[HOSTING][0] == pytest.approx(132)


def on_demand(prices: dict[str, dict[str, float]], *, lost: int = 0) -> dict[str, Spent]:
    """Return the bill of a run whose deployment was released: it has no billed minutes."""
    the_run = nova_run(hosting="on-demand")
    calculator = Calculator(PriceBook.load(prices), the_run.region)
    asked = answers("tuned", lost_requests=lost)
    quoted = QUOTED.model_copy(update={"hosting": "on-demand"})
    request = report_request(run=the_run, quote=quoted, release=GONE, tuned_answers=asked)
    made = make_quote(the_run, request.dataset, calculator)
    return {each.what: each for each in bill_of(made, finished(request, calculator)).items}


def test_on_demand_the_tuned_models_tokens_bill_at_their_own_prices_and_no_hour_does() -> None:
    own = {"custom_input_usd_per_1k_tokens": 3.0, "custom_output_usd_per_1k_tokens": 5.0}
    spent = on_demand({"nova-micro": own})
    assert spent[f"{TUNED_ANSWERS}, input tokens"].usd == pytest.approx(330 / 1000 * 3)
    assert spent[f"{TUNED_ANSWERS}, output tokens"].usd == pytest.approx(210 / 1000 * 5)
    assert HOSTING not in spent
    assert [what for what, each in spent.items() if each.at_most] == [TRAINING]


def test_on_demand_no_price_of_throughput_is_needed() -> None:
    assert sum(each.usd for each in on_demand({}).values()) < 1


def test_on_demand_a_lost_answer_counts_at_the_most_and_is_marked() -> None:
    marked = {what for what, each in on_demand({}, lost=1).items() if each.at_most}
    tuned = {f"{TUNED_ANSWERS}, {side} tokens" for side in ("input", "output")}
    assert marked == {TRAINING} | tuned


def test_answers_of_an_earlier_run_are_on_that_runs_bill() -> None:
    """Nor is any price needed but the judge's."""
    again = {"answers_of_run": "first", "tuned_by_run": "first"}
    request = report_request(
        run=nova_run(**again),
        quote=QUOTED.model_copy(update={"hosting": None}),
        training=None,
        loss_curves=None,
        hosting=None,
        release=GONE,
        base_answers=answers("base", lost_requests=1),
    )
    prices = {("nova-pro", f"{way}_usd_per_1k_tokens"): 1.0 for way in ("input", "output")}
    calculator = Calculator(PriceBook({}, prices), REGION)
    made = make_quote(request.run, request.dataset, calculator)
    bill = bill_of(made, finished(request, calculator))
    assert {each.what for each in bill.items} == {
        "Judgements, input tokens",
        "Judgements, output tokens",
    }
    assert (bill.usd, bill.at_most) == (0.98, False)


def test_tokens_of_the_tuned_model_are_free_while_its_throughput_is_paid_for() -> None:
    assert not any(what.startswith(TUNED_ANSWERS) for what in rows())


@pytest.mark.slow
@given(
    begun=st.dictionaries(st.sampled_from(KINDS), st.integers(0, 150)),
    epochs=st.none() | st.integers(1, 10),
    minutes=st.none() | st.floats(0, 150),
)
def test_the_bill_of_a_run_that_failed_is_never_0_for_unknown_nor_above_its_quote(
    begun: dict[str, int], epochs: int | None, minutes: float | None
) -> None:
    made = quote()
    usage = unfinished(
        made,
        begun={kind: NOW - timedelta(minutes=since) for kind, since in begun.items()},
        release=GONE if minutes is None else released(minutes),
        epochs=epochs,
        screening_usd=None,
        review=None,
    )
    bill = bill_of(made, usage)
    assert bill.usd <= made.high_usd
    for item, each in zip(made.items, bill.items, strict=True):
        if item.kind in begun:
            assert each.usd or each.what in usage.known
            assert each.at_most == (each.what not in usage.known or item.kind == TRAINING)


class World:
    """The bucket of a run that failed, and who is told of its bill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "TOPIC_ARN": TOPIC_ARN,
            "ENVIRONMENT": "dev",
            "ARTEFACT_BUCKET": BUCKET,
        }.items():
            monkeypatch.setenv(name, value)
        self.s3 = fakes_s3.install(monkeypatch, FakeS3())
        self.s3.objects[f"{PREFIX}/quote.json"] = as_bytes(quote(review_data=True))
        self.sns = FakeSns()
        fakes_bedrock.install(monkeypatch, sns=self.sns)

    def begin(self, kind: str, since: datetime) -> None:
        key = f"{PREFIX}/billing/{kind.lower().replace(' ', '-')}.json"
        note = {"kind": kind, "since": since.isoformat()}
        self.s3.objects[key] = json.dumps(note).encode()

    def leave_losses(self, losses: LossHistory) -> None:
        self.s3.objects[f"{PREFIX}/losses.json"] = json.dumps(asdict(losses)).encode()

    def fail(self, release: Release | None = None) -> str:
        notify(
            NotifyRequest(
                execution=EXECUTION,
                now=NOW,
                run=run(),
                quote=QUOTED,
                failure=Failure(state="Check training", error="TrainingFailed", cause="why"),
                release=release,
            )
        )
        return str(self.sns.called("Publish")[-1]["Message"])

    def stop(self, release: Release | None = GONE, status: str = "ABORTED") -> Metered:
        return meter_stopped_run(
            MeterStoppedRunRequest(execution=EXECUTION, status=status, release=release, now=NOW)
        )

    @property
    def kept(self) -> Bill:
        return Bill.model_validate_json(self.s3.objects[f"{PREFIX}/cost.json"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def refuse(**_: object) -> None:
    raise client_error("AccessDenied", 403)


def epochs(count: int) -> tuple[Epoch, ...]:
    return tuple(Epoch(each + 1, 1.0, None) for each in range(count))


def figures(capsys: pytest.CaptureFixture[str]) -> list[float]:
    """Return the figures that CloudWatch gets."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [each["MeteredUsd"][0] for each in lines if "MeteredUsd" in each]


def test_a_training_that_failed_is_billed_at_most_in_mail_metric_and_file(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin(TRAINING, NOW - timedelta(hours=2))
    assert "Cost: at most $0.49.\n- Training: at most $0.49, begun" in world.fail()
    assert figures(capsys) == [0.49]
    assert (world.kept.usd, world.kept.at_most) == (0.49, True)


def test_epochs_and_a_review_that_are_known_are_counted(world: World) -> None:
    for kind in (REVIEW, TRAINING, BASE_ANSWERS):
        world.begin(kind, NOW)
    world.leave_losses(LossHistory(steps=(), validations=(), epochs=epochs(5)))
    world.s3.objects[f"{PREFIX}/review.json"] = data_review().model_dump_json().encode()
    world.fail()
    spent = {each.what: (each.usd, each.at_most) for each in world.kept.items}
    assert spent[TRAINING] == (pytest.approx(0.4938 / 2, abs=1e-3), True)
    assert spent[REVIEW] == (0.0213, False)
    assert spent[f"{BASE_ANSWERS}, output tokens"][1]
    assert spent[HOSTING] == (0, False)


@pytest.mark.parametrize("shown", [0, 1])
def test_a_training_of_which_epochs_are_not_shown_is_billed_at_most(
    world: World, shown: int
) -> None:
    """The metrics file is missing, or ends after the first epoch."""
    world.begin(TRAINING, NOW)
    curves = LossHistory(steps=(), validations=(), epochs=epochs(shown), whole=False)
    world.leave_losses(curves)
    assert "Cost: at most $0.49." in world.fail()


def test_a_review_that_lost_requests_is_billed_at_most(world: World) -> None:
    world.begin(REVIEW, NOW)
    review = data_review()
    lost = review.summary.model_copy(update={"lost_requests": 2})
    kept = review.model_copy(update={"summary": lost})
    world.s3.objects[f"{PREFIX}/review.json"] = kept.model_dump_json().encode()
    world.fail()
    [spent] = (each for each in world.kept.items if each.what == REVIEW)
    assert (spent.usd, spent.at_most) == (0.0213, True)


def test_a_run_that_failed_before_it_began_anything_cost_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Cost: about $0.00." in world.fail()
    assert figures(capsys) == [0]


def test_a_bill_that_cannot_be_made_is_the_quotes_highest_figure(world: World) -> None:
    world.s3.failure = client_error("AccessDenied", 403)
    assert f"Cost: at most ${QUOTED.high_usd:.2f}." in world.fail()


def test_a_run_that_was_stopped_is_metered_by_the_guard_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin(TRAINING, NOW - timedelta(hours=3))
    world.begin(HOSTING, NOW - timedelta(minutes=31))
    assert world.stop(released(30)) == Metered(usd=66.49, at_most=True)
    assert world.stop(released(30)) == Metered(usd=66.49, at_most=True)
    [mail] = world.sns.called("Publish")
    assert "was stopped" in mail["Subject"]
    assert "Cost: at most $66.49." in mail["Message"]
    assert figures(capsys) == [66.49]


def test_a_mail_that_is_tried_again_is_counted_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin(TRAINING, NOW)
    for tell in (world.fail, world.stop):
        for name in ("cost", "told"):
            world.s3.objects.pop(f"{PREFIX}/{name}.json", None)
        world.sns.fail("Publish", "Throttled")
        with pytest.raises(Throttled):
            tell()
        tell()
    assert figures(capsys) == [0.49, 0.49], "one of each"


def test_a_bill_that_cannot_be_kept_is_not_counted_yet(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin(TRAINING, NOW)
    with monkeypatch.context() as broken:
        broken.setattr(world.s3, "put_object", refuse)
        with pytest.raises(AccessDenied):
            world.stop()
    world.stop()
    assert figures(capsys) == [0.49]


@pytest.mark.parametrize("ended", ["FAILED", "ABORTED"])
def test_a_run_whose_own_mail_failed_is_told_of_by_the_guard(world: World, ended: str) -> None:
    """Its bill was kept before the mail was to go."""
    world.begin(TRAINING, NOW)
    world.sns.fail("Publish", "AuthorizationError")
    with pytest.raises(AccessDenied):
        world.fail()
    assert world.kept.usd == 0.49
    assert world.stop(status=ended) == Metered(usd=0.49, at_most=True)
    told = world.sns.called("Publish")[-1]["Message"]
    assert "could not send its mail" in told
    for field in ("tuned_by_run", "answers_of_run"):
        assert f'"{field}": "{PREFIX.removeprefix("runs/")}"' in told


def test_a_run_under_way_keeps_its_mail_and_its_bill_through_any_deployment(world: World) -> None:
    """Whatever it hands on but names, and what the mail tells, is renamed."""
    world.begin(TRAINING, NOW)
    names = ("name", "job_name", "hosting_name", "environment", "region", "bucket", "prefix")
    handed_on = {
        "run": renamed(run(), *names),
        "quote": renamed(QUOTED, "high_usd"),
        "verdict": renamed(report_request().verdict, "reason") | {"verdict": "much better"},
        "release": renamed(GONE, "found", "billed_minutes", "at"),
        "failure": {"state": "Write report", "error": "RequestRefused", "cause": "why"},
    }
    told = notification(handed_on | {"execution": as_json(EXECUTION)})
    assert "Write report" in told["subject"]
    [mail] = world.sns.called("Publish")
    assert "Cost: at most $0.49." in mail["Message"]
    assert world.kept.usd == 0.49


def test_a_run_that_a_newer_guard_meters_is_billed_at_its_most(world: World) -> None:
    """Its quote was written by the code that it began with."""
    world.begin(TRAINING, NOW)
    quoted = renamed(quote(), "high_usd")
    world.s3.objects[f"{PREFIX}/quote.json"] = json.dumps(quoted).encode()
    assert world.stop() == Metered(usd=quote().high_usd, at_most=True)
    [mail] = world.sns.called("Publish")
    assert f"Cost: at most ${quote().high_usd:.2f}." in mail["Message"]


def test_a_run_that_ended_well_keeps_its_mail_through_any_deployment(world: World) -> None:
    report = {"report_key": f"{PREFIX}/report.html", "summary": "Done.", "metered_usd": 7}
    verdict = renamed(report_request().verdict, "reason") | {"verdict": "much better"}
    handed_on = {"run": as_json(run()), "report": report, "verdict": verdict}
    notification(handed_on | {"execution": as_json(EXECUTION)})
    [mail] = world.sns.called("Publish")
    assert "much better" in mail["Subject"]
    assert "Next: read the report." in mail["Message"]


def notification(handed_on: dict[str, Any]) -> dict[str, Any]:
    return notify_handler(handed_on | {"now": NOW.isoformat()}, None)


def as_json(contract: Contract) -> dict[str, Any]:
    return contract.model_dump(mode="json")


def renamed(contract: Contract, *kept: str) -> dict[str, Any]:
    """Return the contract with other names for all fields but some."""
    values = as_json(contract).items()
    return {name if name in kept else f"new_{name}": value for name, value in values}


def test_a_run_that_told_of_itself_is_not_told_of_again(world: World) -> None:
    world.begin(TRAINING, NOW)
    world.fail()
    world.stop(status="FAILED")
    assert len(world.sns.called("Publish")) == 1


def test_a_mark_that_cannot_be_written_does_not_fail_a_sent_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.s3, "put_object", refuse)
    assert "Cost: at most" in world.fail()


def test_a_run_that_was_stopped_after_its_own_release_is_billed_until_then(world: World) -> None:
    """The guard looked half a day later, and found nothing."""
    world.begin(HOSTING, NOW - timedelta(hours=12))
    Billing(Artefacts(BUCKET), PREFIX).note(released(30))
    assert world.stop(GONE) == Metered(usd=66, at_most=False)


def test_what_the_guard_has_released_itself_counts_before_an_earlier_note(world: World) -> None:
    world.begin(HOSTING, NOW - timedelta(hours=2))
    Billing(Artefacts(BUCKET), PREFIX).note(released(30))
    assert world.stop(released(90)) == Metered(usd=198, at_most=False)


@pytest.mark.parametrize("ended", ["failed", "stopped"])
def test_tuned_answers_on_demand_that_were_not_counted_cost_their_highest_figure(
    world: World, ended: str
) -> None:
    """And nothing of the deployment does: there is no hour that it could be billed for."""
    made = make_quote(nova_run(), dataset(), Calculator(PriceBook.load(), "us-east-1"))
    world.s3.objects[f"{PREFIX}/quote.json"] = as_bytes(made)
    world.begin(TUNED_ANSWERS, NOW - timedelta(hours=20))
    if ended == "failed":
        world.fail(GONE)
    else:
        world.stop(GONE)
    tuned = [item.high_usd for item in made.items if item.kind == TUNED_ANSWERS]
    spent = [each for each in world.kept.items if each.usd]
    assert [each.usd for each in spent] == tuned
    assert all(each.at_most for each in spent)
    assert world.kept.usd <= made.high_usd < 1


def test_whoever_released_a_stopped_runs_throughput_its_minutes_are_bounded(world: World) -> None:
    world.begin(HOSTING, NOW - timedelta(minutes=45))
    assert world.stop() == Metered(usd=132, at_most=True)


@pytest.mark.parametrize(("minutes", "hours"), [(0, 1), (31, 1), (60, 1), (61, 2), (125, 3)])
def test_an_upper_bound_of_hosting_has_begun_hours_as_the_quote_has(
    world: World, minutes: float, hours: int
) -> None:
    """AWS does not say how it bills a part of one."""
    world.begin(HOSTING, NOW - timedelta(minutes=minutes))
    assert world.stop() == Metered(usd=hours * 132, at_most=True)


def test_a_run_that_told_its_bill_itself_is_not_told_again(world: World) -> None:
    world.begin(TRAINING, NOW)
    world.fail()
    assert world.stop(status="FAILED").usd == 0.49
    assert len(world.sns.called("Publish")) == 1


def test_a_run_that_was_stopped_before_it_began_anything_is_not_told_of(world: World) -> None:
    assert world.stop() == Metered(usd=0, at_most=False)
    assert world.sns.called("Publish") == []


BUY = "CreateProvisionedModelThroughput"


def refuse_to_buy(error: Exception) -> None:
    """Begin hosting in a call that AWS answers with this error."""
    billing = Billing(Artefacts(BUCKET), PREFIX)
    with pytest.raises(QuotaExceeded), billing.creating(HOSTING, BUY, NOW - timedelta(minutes=5)):
        raise QuotaExceeded("with advice") from error


@pytest.mark.parametrize(
    "code", ["ServiceQuotaExceededException", "ValidationException", "AccessDeniedException"]
)
def test_a_purchase_that_was_refused_costs_nothing(world: World, code: str) -> None:
    world.begin(TRAINING, NOW - timedelta(hours=3))
    refuse_to_buy(client_error(code, operation=BUY))
    said = world.fail(GONE)
    assert "Cost: at most $0.49." in said, "the training"
    assert "Provisioned" not in said.partition("Cost:")[2]
    assert [each.how for each in world.kept.items if each.what == HOSTING] == ["not begun"]


@pytest.mark.parametrize(
    ("error", "release", "usd"),
    [
        (client_error("Quota", operation=BUY, retries=1), GONE, 132),  # the first may have bought
        (client_error("InternalError", 500, BUY), GONE, 132),
        (client_error("Quota", operation="GetProvisionedModelThroughput"), GONE, 132),
        (OSError("cut off"), GONE, 132),
        (client_error("Quota", operation=BUY), None, 396),  # nobody could look
        (client_error("Quota", operation=BUY), released(5), 11),  # it was there all the same
    ],
)
def test_a_purchase_of_which_that_is_not_certain_is_billed(
    world: World, error: Exception, release: Release | None, usd: float
) -> None:
    refuse_to_buy(error)
    assert world.stop(release).usd == usd


def test_a_refusal_does_not_hide_what_an_earlier_call_may_have_bought(world: World) -> None:
    """It died before it could tell, and took the quota that is lacking now."""
    world.begin(HOSTING, NOW - timedelta(minutes=10))
    refuse_to_buy(client_error("ServiceQuotaExceededException", operation=BUY))
    assert world.stop(GONE).usd == 132


def test_a_refusal_that_cannot_be_noted_is_raised_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = world.s3.put_object

    def once(**request: Any) -> Any:
        if "IfNoneMatch" not in request:
            raise client_error("SlowDown", 503)
        return put(**request)

    with monkeypatch.context() as broken:
        broken.setattr(world.s3, "put_object", once)
        refuse_to_buy(client_error("ServiceQuotaExceededException", operation=BUY))
    assert world.stop(GONE).usd == 132


def test_what_the_guard_could_not_end_is_metered_at_its_most(world: World) -> None:
    world.begin(HOSTING, NOW - timedelta(minutes=45))
    assert world.stop(None) == Metered(usd=396, at_most=True)
    [mail] = world.sns.called("Publish")
    assert "A CUSTOMIZATION JOB OR A THROUGHPUT MAY STILL BILL" in mail["Message"]
    assert "nothing of it bills" not in mail["Message"]


def test_what_could_not_be_released_is_billed_until_the_last_guard_has_ended_it(
    world: World,
) -> None:
    world.begin(HOSTING, NOW - timedelta(minutes=45))
    assert "Provisioned throughput: at most $396.00, not released" in world.fail()


def test_a_bill_needs_no_answer_about_what_the_run_has_not_left(world: World) -> None:
    """S3 may call it "access denied": listing rights have a condition on the prefix."""
    world.s3.hides_what_is_missing = True
    assert world.stop() == Metered(usd=0, at_most=False)
    world.begin(TRAINING, NOW)
    assert "- Training: at most $0.49, begun" in world.fail()


def test_a_bill_without_its_quote_is_not_0(world: World) -> None:
    world.begin(TRAINING, NOW)
    del world.s3.objects[f"{PREFIX}/quote.json"]
    assert f"Cost: at most ${QUOTED.high_usd:.2f}." in world.fail()
    with pytest.raises(ArtefactMissing, match=r"quote\.json does not exist: it was deleted"):
        world.stop()
