"""The state machine, from top to bottom in the order of a run.

Results of states are in variables (`$run`, `$dataset`, …): small ones that point to S3, never the
data. A state's output is its function's result, so that the console shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambdas.domain.errors import DatasetChanged, ModelGone
from lambdas.domain.hosting.deployment import DEPLOYMENT
from lambdas.domain.hosting.throughput import THROUGHPUT
from lambdas.domain.run.execution_input import ExecutionDefaults
from stacks.constructs.retries import (
    ALWAYS,
    SOON,
    UNTIL_ASKED,
    UNTIL_CONFIRMED,
    UNTIL_RELEASED,
    Retry,
)
from stacks.constructs.task import (
    CAUSE,
    EXECUTION,
    INPUT,
    NOTHING,
    REGION,
    RESULT,
    failure,
    invoke,
    wait_for_decision,
)
from stacks.pipeline.review_data import BATCH, review_data

_SLACK_HOURS = 96  # for review, answers and judgements of as many questions as may be, and retries
_ANSWERS = ("base_answers", "tuned_answers", "other_answers")
_IS_TUNED = "$type($run.tuned_by_run) = 'string'"
_IS_ANSWERED = "$type($run.answers_of_run) = 'string'"
# What a failure goes on to say: with all answers, nothing but the judge is asked again; with a
# model, nothing is trained twice. A run that fails before it takes an earlier one's answers may
# have found them spoilt.
_ANSWERS_KEPT = (
    "'. The answers are kept. To have them judged with nothing trained or hosted, start a new "
    f'execution with "answers_of_run": "\' & ({_IS_ANSWERED} ? $run.answers_of_run : $run.name) & '
    "'\" in its input'"
)
_MODEL_KEPT = (
    "'. The tuned model is kept. To go on with it at no training cost, start a new execution with "
    f'"tuned_by_run": "\' & ({_IS_TUNED} ? $run.tuned_by_run : $run.name) & '
    "'\" in its input'"
)
_KEPT = (
    f"($failure.state = 'Notify' ? '' : $type($tuned_answers) = 'object' ? {_ANSWERS_KEPT} : "
    f"({_IS_TUNED} or $training.done) and $not({_IS_ANSWERED}) "
    f"and $failure.error != '{ModelGone.__name__}' ? {_MODEL_KEPT} : '')"
)


def _not_released() -> str:
    """Return the JSONata text about hosting that could not be released, by its kind."""
    bills = (
        "'; THE THROUGHPUT ' & $run.hosting_name & ' MAY STILL BILL $' & "
        "$string($quote.hosting_usd_per_hour) & ' an hour, for it'"
    )
    is_there = (
        "'; the deployment ' & $run.hosting_name & ' may still be there, and whoever asks it pays "
        "by the token: it'"
    )
    by_hand = (
        f"' could not be released (' & $because & '). The reaper tries again. Delete it by hand: "
        f"aws bedrock ' & ($on_demand ? '{DEPLOYMENT.delete_command}' : "
        f"'{THROUGHPUT.delete_command}') & ' ' & $run.hosting_name & ' --region ' & {REGION}"
    )
    on_demand = "$on_demand := $quote.hosting = 'on-demand'"
    said = f"({on_demand}; ($on_demand ? {is_there} : {bills}) & {by_hand})"
    return f"({_IS_ANSWERED} ? '' : {said})"  # nothing was hosted


def timeout() -> Duration:
    """Return how long an execution may take: longer than the phases of any valid input."""
    hours = _most("max_training_hours") + _most("approval_hours")
    minutes = _most("max_provisioning_minutes") + _most("hold_minutes")
    return Duration.minutes(int(60 * (hours + _SLACK_HOURS) + minutes))


def _most(field: str) -> float:
    given = ExecutionDefaults.model_json_schema()["properties"][field]
    return float(next(each["maximum"] for each in given.get("anyOf", [given])))


class Workflow(Construct):
    """Builds the states; `start` is the first of the run."""

    def __init__(self, scope: Construct, functions: Mapping[str, lambda_.Function]) -> None:
        super().__init__(scope, "Workflow")
        self._functions = functions
        self._fail = self._run_failed()
        self._notify_failure = self._notify_of_failure()
        self._give_back = self._release_after_failure()  # once hosting has begun
        judge = self._release_and_judge()
        asked = self._tune().next(self._answer_with_other_models()).next(self._serve()).next(judge)
        run = self._unless_answered(asked, judge)
        judge.next(self._conclude())
        self.start = self._check().next(
            self._quote_and_approve(then=self._screen(then=self._review(then=run)))
        )

    def _check(self) -> sfn.Chain:
        later = (
            "quote",
            "approval",
            "screening",
            "review",
            "training",
            "loss_curves",
            "other_answers",
            "tuned_answers",
            "hosting",
            "release",
            "report",
        )
        nothing = dict.fromkeys(later, NOTHING)
        preflight = self._task(
            "Check preflight",
            {"input": INPUT, "execution": EXECUTION},
            # Failures from here on may refer to these.
            assign={"run": RESULT, **nothing},
            with_run=False,
        )
        preflight.add_catch(
            self._notify_failure,
            errors=["States.ALL"],
            assign={"run": NOTHING, **nothing, "failure": failure("Check preflight")},
        )
        validate = self._task("Validate dataset", assign={"dataset": RESULT})
        self._on_failure(validate, self._notify_failure)
        return preflight.next(validate)

    def _quote_and_approve(self, then: sfn.IChainable) -> sfn.Chain:
        """Nothing is bought before this, or without it."""
        quote = self._task("Quote cost", {"dataset": "{% $dataset %}"}, assign={"quote": RESULT})
        self._on_failure(quote, self._notify_failure)
        approve = self._approve().next(then)
        asked = sfn.Condition.jsonata("{% $type($run.approval_hours) = 'number' %}")
        choice = sfn.Choice.jsonata(self, "Approval required?")
        return quote.next(choice.when(asked, approve).otherwise(then))

    def _approve(self) -> sfn.Chain:
        confirm = self._task(
            "Confirm decision",
            {"quote": "{% $quote %}", "decision": "{% $decision %}"},
            assign={"approval": RESULT},
            retries=UNTIL_CONFIRMED,
        )
        self._on_failure(confirm, self._notify_failure)
        approve = wait_for_decision(
            self,
            "Approve spend",
            self._functions["Approve spend"],
            {"run": "{% $run %}", "dataset": "{% $dataset %}", "quote": "{% $quote %}"},
            assign={"decision": "{% $states.result %}"},
            hours="$run.approval_hours",
            retries=UNTIL_ASKED,
        )
        silence = (
            "'nobody decided within approval_hours = ' & $string($run.approval_hours) & ': that "
            "is a rejection. Nothing was bought. Start a new execution, and have it approved'"
        )
        rejected = {**failure("Approve spend", silence), "error": "SpendRejected"}
        approve.add_catch(
            self._notify_failure, errors=["States.Timeout"], assign={"failure": rejected}
        )
        self._on_failure(approve, self._notify_failure)
        return sfn.Chain.start(approve).next(confirm)

    def _screen(self, then: sfn.IChainable) -> sfn.Choice:
        """Where the environment pays for it, Amazon Comprehend looks for personal data."""
        screen = self._task(
            "Screen dataset", {"dataset": "{% $dataset %}"}, assign={"screening": RESULT}
        )
        self._on_failure(screen, self._notify_failure)
        self._again("Screening done?", "$screening.done", screen).next(then)
        asked = sfn.Condition.jsonata("{% $run.comprehend_max_usd > 0 %}")
        return sfn.Choice.jsonata(self, "Screening requested?").when(asked, screen).otherwise(then)

    def _review(self, then: sfn.IChainable) -> sfn.Choice:
        """Where the input asks for it, nothing is trained on data that a judge rejects."""
        plan = self._task(
            "Plan review", {"dataset": "{% $dataset %}"}, assign={"review_plan": RESULT}
        )
        data = review_data(self, review_records=self._review_batch())
        summarise = self._task(
            "Summarise review",
            {"plan": "{% $review_plan %}", "results_key": "{% $review_results.Key %}"},
            assign={"review": RESULT},
        )
        for state in (plan, data, summarise):
            self._on_failure(state, self._notify_failure)
        plan.next(data).next(summarise).next(then)
        asked = sfn.Condition.jsonata("{% $run.settings.review_data %}")
        return sfn.Choice.jsonata(self, "Review requested?").when(asked, plan).otherwise(then)

    def _review_batch(self) -> sfn.Chain:
        """Return what each child execution does: it asks until its batch is reviewed."""
        # Its output is its input, with which it may be called again.
        records = self._task(
            "Review records",
            BATCH,
            assign={"reviewed": RESULT},
            outputs="{% $states.input %}",
            with_run=False,
        )
        again = self._again("Batch done?", "$reviewed.done", records)
        end = sfn.Pass.jsonata(self, "Batch reviewed", outputs="{% $reviewed %}")
        return sfn.Chain.custom(records, [end], again.next(end))

    def _unless_answered(self, run: sfn.IChainable, judge: sfn.Parallel) -> sfn.Choice:
        """Where the input names a run whose answers to judge, go past all that makes answers."""
        given = {name: f"{{% $run.{name} %}}" for name in ("base_answers", "tuned_answers")}
        needed = sfn.Condition.jsonata(f"{{% $not({_IS_ANSWERED}) %}}")
        choice = sfn.Choice.jsonata(self, "Answers needed?", assign=given)
        return choice.when(needed, run).otherwise(judge)

    def _tune(self) -> sfn.Chain:
        """Train, unless the input names a run that has."""
        stop = self._stop_training()
        start = self._task(
            "Start training",
            {"dataset": "{% $dataset %}", "quote": "{% $quote %}"},
            assign={"training": RESULT},
        )
        check = self._task(
            "Check training", {"training": "{% $training %}"}, assign={"training": RESULT}
        )
        for state in (start, check):
            self._on_failure(state, stop)
        answer = self._answer_with_base_model()
        answers = self._again("Base answers done?", "$base_answers.done", answer)
        read = self._read_losses()
        read.next(answer)
        start.next(self._until("Training done?", "$training.done", check, then=read))
        needed = sfn.Condition.jsonata(f"{{% $not({_IS_TUNED}) %}}")
        choice = sfn.Choice.jsonata(self, "Training needed?").when(needed, start).otherwise(answer)
        return sfn.Chain.custom(choice, answers.end_states, answers)

    def _read_losses(self) -> sfn.TaskStateBase:
        read = self._task(
            "Read loss curves",
            {
                "dataset": "{% $dataset %}",
                "quote": "{% $quote %}",
                "training": "{% $training %}",
            },
            assign={"loss_curves": RESULT},
        )
        self._on_failure(read, self._notify_failure)
        return read

    def _answer_with_base_model(self) -> sfn.TaskStateBase:
        answer = self._task(
            "Answer with base model", {"dataset": "{% $dataset %}"}, assign={"base_answers": RESULT}
        )
        self._on_failure(answer, self._notify_failure)
        return answer

    def _answer_with_other_models(self) -> sfn.Chain:
        """Ask what `also_compare` names, one model after the other; none that fails ends a run."""
        answer = self._task(
            "Answer with other models",
            {"dataset": "{% $dataset %}", "so_far": "{% $other_answers %}"},
            assign={"other_answers": RESULT},
        )
        failed = sfn.Pass.jsonata(self, "Other models failed", outputs=NOTHING)
        so_far = "$type($other_answers) = 'object' ? $other_answers : {}"
        rest = f"$merge([({so_far}), {{'rest': {CAUSE}, 'done': true}}])"
        # The tuned model, hosted for as much as an hour, would not be asked these questions either.
        answer.add_catch(
            self._notify_failure,
            errors=[DatasetChanged.__name__],
            assign={"failure": failure(answer.state_id)},
        )
        answer.add_catch(failed, errors=["States.ALL"], assign={"other_answers": f"{{% {rest} %}}"})
        answered = self._again("Other models answered?", "$other_answers.done", answer)
        choice = sfn.Choice.jsonata(self, "Other models asked?")
        asked = sfn.Condition.jsonata("{% $count($run.settings.also_compare) > 0 %}")
        others = choice.when(asked, answer).afterwards(include_otherwise=True)
        ends = [*others.end_states, *answered.end_states, failed]
        return sfn.Chain.custom(choice, ends, others)

    def _serve(self) -> sfn.Parallel:
        """Host the model and ask it, in a block whose every failure releases."""
        served = {
            "hosting": "{% $states.result[0].hosting %}",
            "tuned_answers": "{% $states.result[0].answers %}",
        }
        serve = sfn.Parallel.jsonata(self, "Serve tuned model", assign=served, outputs=served)
        serve.branch(self._host_and_answer())
        self._on_failure(serve, self._give_back)
        return serve

    def _host_and_answer(self) -> sfn.Choice:
        """Host as it was quoted: a run never changes to another kind by itself."""
        answer = self._answer_with_tuned_model()
        throughput = self._host("Buy throughput", "Check throughput", then=answer)
        deployment = self._host("Create deployment", "Check deployment", then=answer)
        on_demand = sfn.Condition.jsonata("{% $quote.hosting = 'on-demand' %}")
        choice = sfn.Choice.jsonata(self, "Hosted on demand?")
        return choice.when(on_demand, deployment).otherwise(throughput)

    def _host(self, create: str, check: str, *, then: sfn.IChainable) -> sfn.Chain:
        # A branch's variables must not have the name of one outside: `hosted`.
        thing = create.rsplit(maxsplit=1)[-1].title()
        given = {"dataset": "{% $dataset %}", "training": "{% $training %}"}
        created = self._task(create, given, assign={"hosted": RESULT})
        checked = self._task(check, {"hosting": "{% $hosted %}"}, assign={"hosted": RESULT})
        return created.next(self._until(f"{thing} ready?", "$hosted.done", checked, then=then))

    def _answer_with_tuned_model(self) -> sfn.TaskStateBase:
        answer = self._task(
            "Answer with tuned model",
            {"dataset": "{% $dataset %}", "hosting": "{% $hosted %}"},
            assign={"answered": RESULT},
        )
        answers = {"hosting": "{% $hosted %}", "answers": "{% $answered %}"}
        self._again("Tuned answers done?", "$answered.done", answer).next(
            sfn.Pass.jsonata(self, "Tuned model answered", outputs=answers)
        )
        return answer

    def _release_and_judge(self) -> sfn.Parallel:
        names = ("release", "judged", "similarity")
        ended = {name: f"{{% $states.result[{place}] %}}" for place, name in enumerate(names)}
        both = sfn.Parallel.jsonata(self, "Release and judge", assign=ended, outputs=ended)
        both.branch(self._release_in_time(), self._judge(), self._score_similarity())
        self._on_failure(both, self._give_back)
        return both

    def _release_in_time(self) -> sfn.Choice:
        """Release throughput at once or after its hold; a kept deployment is the reaper's.

        Nothing is kept but what bills nothing for being there, and only of a run that succeeds.
        """
        release = self._task("Release hosting", retries=UNTIL_RELEASED)
        kept = sfn.Pass.jsonata(self, "Keep deployment", outputs=NOTHING)
        hold = self._hold(then=release)
        choice = sfn.Choice.jsonata(self, "Keep or hold?")
        keep_asked = "{% $hosting.kind = 'on-demand' and $run.settings.keep_hours > 0 %}"
        hold_asked = "{% $hosting.kind = 'provisioned' and $run.settings.hold_minutes > 0 %}"
        return (
            choice.when(sfn.Condition.jsonata(keep_asked), kept)
            .when(sfn.Condition.jsonata(hold_asked), hold)
            .otherwise(release)
        )

    def _hold(self, then: sfn.TaskStateBase) -> sfn.Chain:
        """Tell that the hold begins, and wait for its end."""
        announce = self._task(
            "Announce hold",
            {"dataset": "{% $dataset %}", "hosting": "{% $hosting %}"},
            assign={"hold": RESULT},
            retries=(SOON,),
        )
        # A hold of which nobody was told would bill for nothing.
        announce.add_catch(then, errors=["States.ALL"])
        hold = sfn.Wait.jsonata(
            self, "Hold throughput", time=sfn.WaitTime.timestamp("{% $hold.until %}")
        )
        return announce.next(hold).next(then)

    def _judge(self) -> sfn.Choice:
        """Judge during a hold, if the metric has to: a failure waits for the end of the hold."""
        judge = self._task(
            "Judge answers",
            {name: f"{{% ${name} %}}" for name in ("dataset", *_ANSWERS)},
            assign={"judging": RESULT},
        )
        judged = {"judgements": "{% $judging %}"}
        self._again("Judgements done?", "$judging.done", judge).next(
            sfn.Pass.jsonata(self, "Answers judged", outputs=judged)
        )
        judge.add_catch(
            sfn.Pass.jsonata(self, "Judging failed"),
            errors=["States.ALL"],
            outputs={"failure": failure("Judge answers")},
        )
        unasked = sfn.Pass.jsonata(self, "No judge asked", outputs={"judgements": NOTHING})
        needed = sfn.Condition.jsonata("{% $run.settings.metric = 'judge' %}")
        choice = sfn.Choice.jsonata(self, "Judge needed?")
        return choice.when(needed, judge).otherwise(unasked)

    def _score_similarity(self) -> sfn.TaskStateBase:
        """Compare the answers with their references; a failure is for the report to tell."""
        score = self._task(
            "Score similarity",
            {name: f"{{% ${name} %}}" for name in _ANSWERS},
            assign={"scored": RESULT},
        )
        self._again("Similarity done?", "$scored.done", score).next(
            sfn.Pass.jsonata(self, "Similarity scored", outputs="{% $scored %}")
        )
        problem = "'Score similarity failed: ' & $states.errorOutput.Error & ': ' & "
        score.add_catch(
            sfn.Pass.jsonata(self, "Similarity not scored"),
            errors=["States.ALL"],
            outputs={"problem": f"{{% {problem}{CAUSE} %}}"},
        )
        return score

    def _conclude(self) -> sfn.Choice:
        failed = sfn.Condition.jsonata("{% $exists($judged.failure) %}")
        return (
            sfn.Choice.jsonata(self, "Judged?")
            .when(failed, self._give_back, assign={"failure": "{% $judged.failure %}"})
            .otherwise(self._decide_and_report())
        )

    def _decide_and_report(self) -> sfn.Chain:
        decide = self._task(
            "Decide verdict",
            {
                "dataset": "{% $dataset %}",
                **{name: f"{{% ${name} %}}" for name in _ANSWERS},
                "judgements": "{% $judged.judgements %}",
                "similarity": "{% $similarity %}",
            },
            assign={"verdict": RESULT},
        )
        report = self._task("Write report", self._all_results(), assign={"report": RESULT})
        for state in (decide, report):
            self._on_failure(state, self._give_back)
        return decide.next(report).next(self._notify()).next(self._run_succeeded())

    def _all_results(self) -> dict[str, object]:
        names = (
            "dataset",
            "quote",
            "approval",
            "screening",
            "review",
            "training",
            "loss_curves",
            "hosting",
            "release",
            *_ANSWERS,
            "similarity",
            "verdict",
        )
        results: dict[str, object] = {name: f"{{% ${name} %}}" for name in names}
        return {**results, "judgements": "{% $judged.judgements %}"}

    def _notify(self) -> sfn.TaskStateBase:
        notify = self._task(
            "Notify",
            {
                "execution": EXECUTION,
                "quote": "{% $quote %}",
                "report": "{% $report %}",
                "verdict": "{% $verdict %}",
                "release": "{% $release %}",
            },
        )
        complete = (
            "'The run is complete and its report is at s3://' & $run.bucket & '/' & "
            "$report.report_key & '. Only the notification failed: ' & "
        )
        self._on_failure(notify, self._give_back, cause=f"{complete}{CAUSE}")
        return notify

    def _run_succeeded(self) -> sfn.Succeed:
        return sfn.Succeed.jsonata(
            self,
            "Run succeeded",
            outputs={
                "run": "{% $run.name %}",
                "verdict": "{% $verdict.verdict %}",
                "sentence": "{% $verdict.sentence %}",
                "reason": "{% $verdict.reason %}",
                "caveats": "{% $verdict.caveats %}",
                "alternatives": "{% $verdict.alternatives %}",
                "cost_usd": "{% $report.metered_usd %}",
                "cost_is_at_most": "{% $report.metered_at_most %}",
                "report": "{% 's3://' & $run.bucket & '/' & $report.report_key %}",
                "manifest": "{% 's3://' & $run.bucket & '/' & $report.manifest_key %}",
                "afterwards": "{% $report.afterwards %}",
                "custom_model_arn": "{% $training ? $training.custom_model_arn : "
                "$run.tuned_model_arn %}",
                "hosting_arn": "{% $hosting ? $hosting.hosting_arn : null %}",
                "answers_of_run": "{% $run.answers_of_run %}",
            },
        )

    def _stop_training(self) -> sfn.TaskStateBase:
        stop = self._task("Stop training")
        self._add_to_failure(
            stop,
            "'; the customization job ' & $run.job_name & ' may still run, for it could not be "
            "stopped (' & $because & '). Stop it: aws bedrock stop-model-customization-job "
            f"--region ' & {REGION} & ' --job-identifier ' & $run.job_name",
        )
        stop.next(self._notify_failure)
        return stop

    def _release_after_failure(self) -> sfn.TaskStateBase:
        """Release whatever the run owns, of any kind: a failed run keeps nothing."""
        # Of two releases the one that found something is told of.
        this = "$states.result.Payload"
        told = f"$type($release) = 'object' and $not({this}.found) ? $release : {this}"
        release = self._task(
            "Release hosting after failure",
            assign={"release": f"{{% {told} %}}"},
            function="Release hosting",
            retries=UNTIL_RELEASED,
        )
        self._add_to_failure(release, _not_released())
        release.next(self._notify_failure)
        return release

    def _notify_of_failure(self) -> sfn.TaskStateBase:
        notify = self._task(
            "Notify failure",
            {
                "execution": EXECUTION,
                "run": "{% $run %}",
                "quote": "{% $quote %}",
                "report": "{% $report %}",
                "release": "{% $release %}",
                "failure": {
                    "state": "{% $failure.state %}",
                    "error": "{% $failure.error %}",
                    "cause": f"{{% $failure.cause & {_KEPT} %}}",
                },
            },
            function="Notify",
            with_run=False,
        )
        # A notification that fails must not hide the failure that it was about.
        notify.add_catch(self._fail, errors=["States.ALL"])
        notify.next(self._fail)
        return notify

    def _run_failed(self) -> sfn.Fail:
        return sfn.Fail.jsonata(
            self,
            "Run failed",
            error="{% $failure.error %}",
            cause=f"{{% $failure.state & ': ' & $failure.cause & {_KEPT} %}}",
        )

    def _until(
        self, question: str, yes: str, check: sfn.TaskStateBase, *, then: sfn.IChainable
    ) -> sfn.Choice:
        """Wait and check until the answer is yes; the function says how long to wait."""
        variable, _, _ = yes.partition(".")
        thing, *_ = question.lower().split()
        wait = sfn.Wait.jsonata(
            self,
            f"Wait for {thing}",
            time=sfn.WaitTime.seconds(f"{{% {variable}.wait_seconds %}}"),
        )
        choice = sfn.Choice.jsonata(self, question)
        wait.next(check).next(choice)
        return choice.when(sfn.Condition.jsonata(f"{{% {yes} %}}"), then).otherwise(wait)

    def _again(self, question: str, done: str, ask: sfn.TaskStateBase) -> sfn.Chain:
        """Ask on until it is done: all of it may be more than a function has time for.

        The function fails where it could do nothing more, so that this ends.
        """
        choice = sfn.Choice.jsonata(self, question)
        ask.next(choice)
        return choice.when(sfn.Condition.jsonata(f"{{% $not({done}) %}}"), ask).afterwards(
            include_otherwise=True
        )

    def _on_failure(
        self,
        state: sfn.TaskStateBase | sfn.CustomState | sfn.Parallel | sfn.DistributedMap,
        handler: sfn.IChainable,
        cause: str = CAUSE,
    ) -> None:
        state.add_catch(
            handler, errors=["States.ALL"], assign={"failure": failure(state.state_id, cause)}
        )

    def _add_to_failure(self, state: sfn.TaskStateBase, text: str) -> None:
        """Where cleaning up fails too, keep the first failure and say what may be left."""
        kept: dict[str, object] = {
            "state": "{% $failure.state %}",
            "error": "{% $failure.error %}",
            "cause": f"{{% ($because := {CAUSE}; $failure.cause & {text}) %}}",
        }
        state.add_catch(self._notify_failure, errors=["States.ALL"], assign={"failure": kept})

    def _task(  # noqa: PLR0913  # keyword-only, each a part of the state
        self,
        name: str,
        payload: Mapping[str, object] | None = None,
        *,
        assign: Mapping[str, object] | None = None,
        outputs: object = RESULT,
        function: str | None = None,
        retries: tuple[Retry, ...] = ALWAYS,
        with_run: bool = True,
    ) -> sfn.TaskStateBase:
        run = {"run": "{% $run %}"} if with_run else {}
        return invoke(
            self,
            name,
            self._functions[function or name],
            {**run, **(payload or {})},
            assign=assign,
            outputs=outputs,
            retries=retries,
        )
