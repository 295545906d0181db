"""What holds for every run, decision and clean-up, proven on the rendered state machines."""

import copy
import importlib
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from lambdas.domain.data_review import asking
from lambdas.domain.evaluation.metrics import needs_judge
from lambdas.domain.run import contracts
from lambdas.domain.run.execution_input import ExecutionDefaults, MetricName
from stacks.constructs.step import Step
from stacks.constructs.task import failure
from stacks.guards.steps import GUARD_STEPS
from stacks.pipeline.steps import PIPELINE_STEPS
from stacks.review.diagram import flowchart
from tests.factories import answers
from tests.stacks.asl import END, Graph, Node, evaluate, expressions, inner, unassigned

Machine = dict[str, Any]
Machines = Mapping[str, Machine]
Functions = Mapping[str, dict[str, Any]]

STEPS = (*PIPELINE_STEPS, *GUARD_STEPS)
# Some states call the function of another.
CALLED = {
    "List what is left": "List resources",
    "Meter stopped run after failure": "Meter stopped run",
    "Notify failure": "Notify",
    "Release hosting after failure": "Release hosting",
    "Stop run again": "Stop run",
}
# What no machine calls: rules do.
BY_RULE = {"Reap leftovers", "Inspect purchase"}
RETRIED = {
    "Throttled",
    "ServiceUnavailable",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Sandbox.Timedout",
}
FIELDS = {
    "Task": {"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch", "Assign", "Output"},
    "Parallel": {"Branches", "Retry", "Catch", "Assign", "Output"},
    "Map": {
        "ItemReader",
        "ItemBatcher",
        "ItemProcessor",
        "ResultWriter",
        "Label",
        "MaxConcurrency",
        "ToleratedFailurePercentage",
        "Catch",
        "Assign",
        "Output",
    },
    "Choice": {"Choices", "Default", "Assign", "Output"},
    "Wait": {"Seconds", "Timestamp", "Assign", "Output"},
    "Pass": {"Assign", "Output"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
}
ANY_STATE = {"Type", "Comment", "QueryLanguage", "Next", "End"}


HOSTING = {"Buy throughput", "Create deployment"}


def releases(name: str) -> bool:
    return CALLED.get(name, name) == "Release hosting"


def escapes(machine: Machine) -> set[str]:
    """Return how a run can end once hosting has begun without having asked for a release.

    What is kept is only of a run that succeeds, and only a deployment: the tests below.
    """
    graph = Graph(machine)
    reached = {
        name
        for create in HOSTING
        for name in graph.reach(create, past=lambda at: releases(at) or at == "Keep deployment")
    }
    kept = graph.reach("Keep deployment", past=releases)
    return (reached & {END, "Run succeeded", "Run failed", "Notify failure", "Judged?"}) | (
        kept & {"Run failed", "Notify failure"}
    )


def step_of(name: str) -> Step:
    return next(step for step in STEPS if step.name == CALLED.get(name, name))


def handler(name: str) -> Callable[..., Any]:
    """Return the typed function that the state calls."""
    module = importlib.import_module(f"lambdas.handlers.{step_of(name).module}")
    act: Callable[..., Any] = inspect.unwrap(module.handler)
    return act


def hints(name: str) -> dict[str, Any]:
    return typing.get_type_hints(handler(name))


def test_no_path_from_the_begin_of_hosting_avoids_the_release(workflow: Machine) -> None:
    assert escapes(workflow) == set()


@pytest.mark.parametrize("hold_minutes", [0, 5])
@pytest.mark.parametrize("keep_hours", [0, 24])
@pytest.mark.parametrize("kind", ["on-demand", "provisioned"])
def test_only_a_deployment_is_kept_and_only_throughput_is_held(
    workflow: Machine, kind: str, keep_hours: int, hold_minutes: int
) -> None:
    settings = {"keep_hours": keep_hours, "hold_minutes": hold_minutes}
    next_ = chosen(
        Graph(workflow).nodes["Keep or hold?"].state,
        run={"settings": settings},
        hosting={"kind": kind},
    )
    if kind == "on-demand":
        assert next_ == ("Keep deployment" if keep_hours else "Release hosting")
    else:
        assert next_ == ("Announce hold" if hold_minutes else "Release hosting")


@pytest.mark.parametrize(
    ("kind", "state"), [("on-demand", "Create deployment"), ("provisioned", "Buy throughput")]
)
def test_a_run_is_hosted_as_it_was_quoted(workflow: Machine, kind: str, state: str) -> None:
    graph = Graph(workflow)
    assert graph.follow("Serve tuned model") >= {"Hosted on demand?"}
    assert chosen(graph.nodes["Hosted on demand?"].state, quote={"hosting": kind}) == state
    [other] = HOSTING - {state}
    inside = graph.reach(state, past=releases)
    assert other not in inside, "a run never changes to another kind by itself"


def chosen(choice: Mapping[str, Any], **variables: object) -> str:
    """Return where a Choice leads."""
    found = (each["Next"] for each in choice["Choices"] if evaluate(each["Condition"], **variables))
    return str(next(found, choice["Default"]))


def test_a_hold_that_cannot_be_announced_does_not_begin(workflow: Machine) -> None:
    """Nobody would use it, and it bills."""
    announce = Graph(workflow).nodes["Announce hold"].state
    assert announce["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "Release hosting"}]
    assert Graph(workflow).nodes["Hold throughput"].state["Timestamp"] == "{% $hold.until %}"


def test_similarity_that_cannot_be_scored_is_told_and_fails_nothing(workflow: Machine) -> None:
    nodes = Graph(workflow).nodes
    [catch] = nodes["Score similarity"].state["Catch"]
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert nodes[catch["Next"]].state == {"Type": "Pass", "QueryLanguage": "JSONata", "End": True}
    error = {"Error": "AccessDenied", "Cause": json.dumps({"errorMessage": "no right to read"})}
    told = evaluate(catch["Output"]["problem"], states={"errorOutput": error})
    similarity = contracts.Similarity.model_validate({"problem": told})
    assert similarity.problem == "Score similarity failed: AccessDenied: no right to read"
    assert (similarity.shards, similarity.done) == (0, True)


@pytest.mark.parametrize(
    ("earlier", "found", "told"),
    [(None, False, "this"), (None, True, "this"), ("earlier", False, "earlier"),
     ("earlier", True, "this")],
)  # fmt: skip
def test_of_two_releases_the_one_that_found_something_is_told_of(
    workflow: Machine, earlier: str | None, *, found: bool, told: str
) -> None:
    assigned = workflow["States"]["Release hosting after failure"]["Assign"]["release"]
    this = {"found": found, "which": "this"}
    release = {"found": True, "which": earlier} if earlier else None
    result = evaluate(assigned, release=release, states={"result": {"Payload": this}})
    assert result["which"] == told


def test_what_a_failed_run_keeps_is_nothing(workflow: Machine) -> None:
    """Its report, its mail, its verdict: whatever fails after hosting, the release comes first."""
    graph = Graph(workflow)
    after = graph.reach("Judged?") & {task.name for task in graph.tasks()}
    for name in after - {"Release hosting after failure", "Notify failure"}:
        assert graph._on_failure(name) == {"Release hosting after failure"}, name  # noqa: SLF001  # ours
    failed = workflow["States"]["Judged?"]["Choices"][0]
    assert failed["Next"] == "Release hosting after failure"


def without_catch(machine: Machine) -> None:
    del machine["States"]["Serve tuned model"]["Catch"]


def caught_elsewhere(machine: Machine) -> None:
    machine["States"]["Serve tuned model"]["Catch"][0]["Next"] = "Notify failure"


def catch_of_one_error(machine: Machine) -> None:
    machine["States"]["Release and judge"]["Catch"][0]["ErrorEquals"] = ["AnswersFailed"]


def release_optional(machine: Machine) -> None:
    hold = machine["States"]["Release and judge"]["Branches"][0]
    hold["States"]["Keep or hold?"]["Default"] = "Leave it"
    hold["States"]["Leave it"] = {"Type": "Pass", "End": True}


def kept_after_a_failed_report(machine: Machine) -> None:
    machine["States"]["Write report"]["Catch"][0]["Next"] = "Notify failure"


def kept_after_failed_judging(machine: Machine) -> None:
    machine["States"]["Judged?"]["Choices"][0]["Next"] = "Notify failure"


def kept_after_a_failed_mail(machine: Machine) -> None:
    machine["States"]["Notify"]["Catch"][0]["Next"] = "Run failed"


def judged_first(machine: Machine) -> None:
    machine["States"]["Serve tuned model"]["Next"] = "Judged?"


@pytest.mark.parametrize(
    "spoil",
    [
        without_catch,
        caught_elsewhere,
        catch_of_one_error,
        release_optional,
        judged_first,
        kept_after_a_failed_report,
        kept_after_failed_judging,
        kept_after_a_failed_mail,
    ],
)
def test_the_proof_notices(workflow: Machine, spoil: Callable[[Machine], None]) -> None:
    spoilt = copy.deepcopy(workflow)
    spoil(spoilt)
    assert escapes(spoilt)


def test_a_run_fails_only_after_a_notification_was_tried(workflow: Machine) -> None:
    graph = Graph(workflow)
    before = {name for name in graph.nodes if "Run failed" in graph.follow(name)}
    assert before == {"Notify failure"}


def test_hosting_begins_under_the_catch_that_releases(workflow: Machine) -> None:
    nodes = Graph(workflow).nodes
    assert {nodes[create].parent for create in HOSTING} == {"Serve tuned model"}


def test_every_state_can_be_reached(machines: Machines) -> None:
    for machine in machines.values():
        graph = Graph(machine)
        assert graph.reach(graph.start) - {END} == {*graph.nodes}


def test_every_transition_stays_within_its_machine(machines: Machines) -> None:
    for machine in machines.values():
        _check_transitions(machine)


def _check_transitions(machine: Machine) -> None:
    assert machine["StartAt"] in machine["States"]
    for name, state in machine["States"].items():
        targets = [state.get("Next"), state.get("Default")]
        targets += [each["Next"] for each in state.get("Choices", []) + state.get("Catch", [])]
        assert {each for each in targets if each} <= {*machine["States"]}, name
        ends = state.get("End", False) + ("Next" in state) + (state["Type"] in {"Succeed", "Fail"})
        assert ends == (state["Type"] != "Choice"), f"{name} must go on or end"
        for inside in inner(state):
            _check_transitions(inside)


def test_states_have_the_fields_of_their_type_in_jsonata(machines: Machines) -> None:
    for machine in machines.values():
        for node in Graph(machine).nodes.values():
            assert {*node.state} <= ANY_STATE | FIELDS[node.state["Type"]], node.name
        assert machine["QueryLanguage"] == "JSONata"


def all_tasks(machines: Machines) -> list[Node]:
    return [task for machine in machines.values() for task in Graph(machine).tasks()]


def retried(task: Node) -> set[str]:
    return {error for retry in task.state["Retry"] for error in retry["ErrorEquals"]}


def test_every_task_is_retried_and_caught(machines: Machines) -> None:
    for machine in machines.values():
        for task in Graph(machine).tasks():
            errors = retried(task)
            assert errors >= RETRIED or "States.ALL" in errors, task.name
            assert Graph(machine)._on_failure(task.name) - {END}, task.name  # noqa: SLF001  # ours


def test_every_task_outlives_its_function(machines: Machines, functions: Functions) -> None:
    for task in all_tasks(machines):
        function = functions[task.state["Arguments"]["FunctionName"].strip("${}")]
        assert shortest_seconds(task.state) > function["Timeout"], task.name


def shortest_seconds(state: Mapping[str, Any]) -> float:
    """Return the time-out; where it is an expression, for the shortest that an input may give."""
    given = state["TimeoutSeconds"]
    if not isinstance(given, str):
        return float(given)
    hours = ExecutionDefaults.model_json_schema()["properties"]["approval_hours"]["minimum"]
    return float(evaluate(given, run={"approval_hours": hours}))


def test_only_a_silent_person_is_not_asked_again(machines: Machines) -> None:
    for task in all_tasks(machines):
        asks_again = "States.Timeout" in retried(task) or "States.ALL" in retried(task)
        assert asks_again == (task.name != "Approve spend"), task.name


def test_a_busy_throughput_is_asked_to_go_for_an_hour(machines: Machines) -> None:
    busy = {
        task.name: retry
        for task in all_tasks(machines)
        for retry in task.state["Retry"]
        if "HostingBusy" in retry["ErrorEquals"]
    }
    releasing = {"Release hosting", "Release hosting after failure", "Delete resources"}
    assert {*busy} == releasing | {"Stop run", "Stop run again"}
    for retry in busy.values():
        assert retry["IntervalSeconds"] * retry["MaxAttempts"] == 3600
        assert retry["BackoffRate"] == 1


def test_no_release_is_given_up_for_an_unknown_error(machines: Machines) -> None:
    """Nor the mail without which throughput is not held."""
    persisting = {"Release hosting", "Stop run", "Announce hold"}
    for task in all_tasks(machines):
        last = task.state["Retry"][-1]["ErrorEquals"]
        named = CALLED.get(task.name, task.name)
        assert (last == ["States.ALL"]) == (named in persisting), task.name


def test_the_guard_looks_again_when_no_function_can_create_any_more(guard: Machine) -> None:
    wait = guard["States"][guard["States"]["Stop run"]["Next"]]
    creators = [step for step in STEPS if step.name in {"Start training", *HOSTING}]
    assert wait["Seconds"] > max(step.timeout_seconds for step in creators)
    assert wait["Next"] == "Stop run again"


def test_the_guard_meters_what_it_could_not_end(guard: Machine) -> None:
    for name in ("Stop run", "Stop run again"):
        [catcher] = guard["States"][name]["Catch"]
        meter = guard["States"][catcher["Next"]]
        assert meter["Arguments"]["Payload"]["release"] == "{% null %}", "that is the most"
        ends = {meter["Next"], *(each["Next"] for each in meter["Catch"])}
        assert ends == {"Something is left behind"}
        # The first failure is what the cause is about.
        assert not any("Assign" in each for each in meter["Catch"])


def test_errors_that_a_person_must_act_on_are_not_retried(machines: Machines) -> None:
    final = {each.__name__ for each in _subclasses(contracts_errors().TuningError)}
    for task in all_tasks(machines):
        assert not retried(task) & final, task.name


def contracts_errors() -> types.ModuleType:
    return importlib.import_module("lambdas.domain.errors")


def _subclasses(error: type[Exception]) -> list[type[Exception]]:
    return [each for child in error.__subclasses__() for each in (child, *_subclasses(child))]


def test_state_function_and_file_share_one_verb_phrase(
    machines: Machines, functions: Functions
) -> None:
    called = set()
    for task in all_tasks(machines):
        step = step_of(task.name)
        properties = functions[task.state["Arguments"]["FunctionName"].strip("${}")]
        assert properties["FunctionName"] == f"bedrock-tuning-dev-{step.slug}"
        assert properties["Handler"] == f"lambdas.handlers.{step.module}.handler"
        called.add(step.name)
    assert called == {step.name for step in STEPS} - BY_RULE


def test_a_file_names_its_step() -> None:
    for step in STEPS:
        source = Path(f"lambdas/handlers/{step.module}.py").read_text(encoding="utf-8")
        assert f'step("{step.name}"' in source


def test_payloads_are_what_the_functions_parse(machines: Machines) -> None:
    for task in all_tasks(machines):
        fields = hints(task.name)["request"].model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        payload = {*task.state["Arguments"]["Payload"]}
        # Every task says whether the execution was redriven; not everything minds.
        assert required <= payload <= {*fields, "redriven"}, task.name


def test_failures_are_what_notify_parses(machines: Machines) -> None:
    nodes = (node for machine in machines.values() for node in Graph(machine).nodes.values())
    for node in nodes:
        for catcher in node.state.get("Catch", []):
            made = {**catcher.get("Assign", {}), **catcher.get("Output", {})}.get("failure")
            if made is not None:
                assert {*made} == {*contracts.Failure.model_fields}, node.name


def results(machine: Machine) -> dict[str, type[BaseModel]]:
    """Return the contract that stands in each variable."""
    made = {
        variable: hints(task.name)["return"]
        for task in Graph(machine).tasks()
        for variable, value in task.state.get("Assign", {}).items()
        if value == "{% $states.result.Payload %}"
    }
    return {
        **made,
        "approval": contracts.Approval,
        "hosting": contracts.Hosting,
        "tuned_answers": contracts.Answers,
        "failure": contracts.Failure,
    }


def test_expressions_name_fields_that_exist(machines: Machines) -> None:
    for machine in machines.values():
        known = results(machine)
        for text in expressions(machine):
            for variable, field in re.findall(r"\$(\w+)\.(\w+)", text):
                if variable in known:
                    assert field in known[variable].model_fields, f"${variable}.{field}"


def test_no_expression_holds_a_line_break(machines: Machines) -> None:
    """JSONata has escapes for it; what a parser makes of a raw one is its own affair."""
    for name, machine in machines.items():
        for text in expressions(machine):
            assert json.loads(f'"{text}"').isprintable(), f"{name}: {text}"


def test_every_path_assigns_what_it_uses(machines: Machines) -> None:
    assert {name: unassigned(machine) for name, machine in machines.items()} == {
        name: set() for name in machines
    }


def test_an_unassigned_variable_is_noticed(workflow: Machine) -> None:
    spoilt = copy.deepcopy(workflow)
    del spoilt["States"]["Check preflight"]["Assign"]["approval"]
    del spoilt["States"]["Quote cost"]["Catch"][0]["Assign"]
    assert unassigned(spoilt) == {
        "Write report: $approval",
        "Notify failure: $failure",
        "Run failed: $failure",
    }


def test_a_child_execution_knows_no_variables(workflow: Machine) -> None:
    spoilt = copy.deepcopy(workflow)
    task = spoilt["States"]["Review data"]["ItemProcessor"]["States"]["Review records"]
    task["Arguments"]["Payload"]["run"] = "{% $run %}"
    assert unassigned(spoilt) == {"Review records: $run"}


def test_no_branch_shadows_a_variable(machines: Machines) -> None:
    """Step Functions refuses a machine in which one does."""
    for name, machine in machines.items():
        nodes = Graph(machine).nodes.values()
        outer = {each for node in nodes if not node.parent for each in _assigned(node.state)}
        inner = {each for node in nodes if node.parent for each in _assigned(node.state)}
        assert not outer & inner, name


def _assigned(state: Mapping[str, Any]) -> set[str]:
    rules = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return {name for rule in rules for name in rule.get("Assign", {})}


def test_results_are_small_by_construction() -> None:
    """256 KB is the limit of a state: a run's results hold figures and keys, never records."""
    for step in PIPELINE_STEPS:
        result = hints(step.name)["return"]
        if result is contracts.ReviewedRecords:
            continue  # of one batch in a child execution: the test below
        for name, field in result.model_fields.items():
            assert _is_small(field.annotation), f"{result.__name__}.{name}"


_SMALL_COLLECTIONS = (
    dict[str, str],
    dict[str, int | float | str],  # five at most, as of the next
    tuple[contracts.FrozenFile, ...],
    tuple[str, ...],  # codes of warnings, as the environment's file has them
    list[str],  # models of also_compare, as of the next
    dict[str, contracts.Answers],
    dict[str, float],  # measures of similarity
    tuple[contracts.MetricFigures, ...],  # three at most
    tuple[contracts.HostingOption, ...],  # one a kind
)


def _is_small(annotation: object) -> bool:
    origin = typing.get_origin(annotation)
    if annotation in _SMALL_COLLECTIONS:
        return True
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return all(_is_small(field.annotation) for field in annotation.model_fields.values())
    return origin not in {list, dict, set, tuple} and annotation is not bytes


def test_a_batch_of_the_review_fits_into_a_state(workflow: Machine) -> None:
    review = workflow["States"]["Review data"]
    batcher, limit = review["ItemBatcher"], 256 * 1024
    assert batcher["MaxInputBytesPerBatch"] < limit - 10_000, "the run stands beside the records"
    text = "\N{PILE OF POO}" * 300
    longest = contracts.ReviewRow(line=10**9, prompt=text, reason=text, error=text)
    row = len(json.dumps(asking.cut(longest).model_dump()))  # all of it as escapes
    assert row * batcher["MaxItemsPerBatch"] < limit


def test_a_review_is_wired_from_plan_to_summary(workflow: Machine) -> None:
    states = workflow["States"]
    review = states["Review data"]
    assert review["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
    assert review["ItemReader"]["Arguments"]["Key"] == "{% $review_plan.items_key %}"
    assert review["ResultWriter"]["Arguments"]["Prefix"] == "{% $run.prefix & '/review' %}"
    assert review["ItemBatcher"]["BatchInput"]["run"] == "{% $run %}"
    assert review["ToleratedFailurePercentage"] == 100, "the summary says what failed"
    processor = review["ItemProcessor"]
    assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_a_batch_is_reviewed_until_it_is_done(workflow: Machine) -> None:
    states = workflow["States"]["Review data"]["ItemProcessor"]["States"]
    review, choice, end = (
        states[name] for name in ("Review records", "Batch done?", "Batch reviewed")
    )
    assert review["Output"] == "{% $states.input %}", "what it is called again with"
    assert (review["Next"], choice["Default"]) == ("Batch done?", "Batch reviewed")
    [again] = choice["Choices"]
    assert again == {"Condition": "{% $not($reviewed.done) %}", "Next": "Review records"}
    assert end["Output"] == "{% $reviewed %}"


def test_a_screening_goes_on_until_it_is_done(workflow: Machine) -> None:
    choice = workflow["States"][workflow["States"]["Screen dataset"]["Next"]]
    assert choice["Choices"][0]["Next"] == "Screen dataset"
    assert choice["Choices"][0]["Condition"] == "{% $not($screening.done) %}"
    assert choice["Default"] == "Review requested?"


def test_a_redriven_run_may_give_back_and_tell_and_nothing_else(workflow: Machine) -> None:
    batch = workflow["States"]["Review data"]["ItemBatcher"]["BatchInput"]
    allowed = set()
    for task in Graph(workflow).tasks():
        given = task.state["Arguments"]["Payload"]["redriven"]
        if given == "{% $states.input.BatchInput.redriven %}":
            given = batch["redriven"]
        # AWS documents a number; of what it leaves out, JSONata makes nothing, which is no number.
        assert [is_redriven(given, count) for count in ({}, 0, 1, 2)] == [False, False, True, True]
        request = hints(task.name)["request"]
        if not issubclass(request, contracts.RefusedIfRedriven):
            allowed.add(task.name)
    releases = {"Release hosting", "Release hosting after failure"}
    assert allowed == releases | {"Stop training", "Notify", "Notify failure"}


def is_redriven(expression: str, count: object) -> Any:
    execution = {"RedriveCount": count} if isinstance(count, int) else {}
    return evaluate(expression, states={"context": {"Execution": execution}})


def test_nothing_is_trained_before_a_review_that_is_asked_for(workflow: Machine) -> None:
    question = workflow["States"]["Review requested?"]
    assert [each["Next"] for each in question["Choices"]] == ["Plan review"]
    assert question["Default"] == "Answers needed?"
    graph = Graph(workflow)
    without = graph.reach("Plan review", past=lambda name: name == "Summarise review")
    assert "Start training" not in without
    assert "Review requested?" not in graph.reach("Start training")
    assert (
        graph.reach("Quote cost", past=lambda name: name == "Review requested?")
        & {
            "Start training",
            "Plan review",
        }
        == set()
    ), "a review is spent on after quote and approval only"


def test_an_earlier_runs_model_goes_straight_to_its_answers(workflow: Machine) -> None:
    question = workflow["States"]["Training needed?"]
    [needed] = question["Choices"]
    assert (needed["Next"], question["Default"]) == ("Start training", "Answer with base model")
    for run, goes in (({"tuned_by_run": "first"}, False), ({"tuned_by_run": None}, True)):
        assert evaluate(needed["Condition"], run=run) is goes
    graph = Graph(workflow)
    past_training = graph.reach("Answer with base model")
    assert past_training.isdisjoint({"Start training", "Check training", "Read loss curves"})
    first = workflow["States"]["Check preflight"]["Assign"]
    assert first["training"] == first["loss_curves"] == "{% null %}"


@pytest.mark.parametrize("metric", typing.get_args(MetricName))
def test_a_judge_is_asked_only_by_the_metric_that_needs_one(
    workflow: Machine, metric: MetricName
) -> None:
    [_, judging, _] = workflow["States"]["Release and judge"]["Branches"]
    question = judging["States"][judging["StartAt"]]
    [needed] = question["Choices"]
    run = {"settings": {"metric": metric}}
    assert evaluate(needed["Condition"], run=run) is needs_judge(metric)
    assert (needed["Next"], question["Default"]) == ("Judge answers", "No judge asked")
    unasked = judging["States"]["No judge asked"]
    assert (unasked["Output"], unasked["End"]) == ({"judgements": "{% null %}"}, True)


def test_other_models_are_asked_one_after_the_other_before_any_hosting(workflow: Machine) -> None:
    question = workflow["States"]["Other models asked?"]
    [asked] = question["Choices"]
    assert (asked["Next"], question["Default"]) == ("Answer with other models", "Serve tuned model")
    for others, goes in ((["few-shot"], True), ([], False)):
        assert evaluate(asked["Condition"], run={"settings": {"also_compare": others}}) is goes
    assert evaluate(asked["Condition"], run={"settings": {}}) is False
    again = workflow["States"]["Other models answered?"]
    [rest] = again["Choices"]
    assert (rest["Next"], again["Default"]) == ("Answer with other models", "Serve tuned model")
    for done in (True, False):
        assert evaluate(rest["Condition"], other_answers={"done": done}) is not done
    asks = workflow["States"]["Answer with other models"]
    assert asks["Arguments"]["Payload"]["so_far"] == "{% $other_answers %}"
    assert workflow["States"]["Check preflight"]["Assign"]["other_answers"] == "{% null %}"


def test_answers_of_an_earlier_run_go_straight_to_the_judge(workflow: Machine) -> None:
    question = workflow["States"]["Answers needed?"]
    [needed] = question["Choices"]
    assert (needed["Next"], question["Default"]) == ("Training needed?", "Release and judge")
    for run, goes in (({"answers_of_run": "first"}, False), ({"answers_of_run": None}, True)):
        assert evaluate(needed["Condition"], run=run) is goes
    run = {"base_answers": "of base", "tuned_answers": "of tuned"}
    given = {name: evaluate(text, run=run) for name, text in question["Assign"].items()}
    assert given == run
    past = {"Start training", "Answer with base model", "Serve tuned model", *HOSTING}
    graph = Graph(workflow)
    assert graph.reach("Release and judge").isdisjoint(past)
    assert past <= graph.reach("Training needed?")


def test_a_run_that_hosts_nothing_keeps_and_holds_nothing(workflow: Machine) -> None:
    """Its hosting is null; the release finds nothing then."""
    settings = {"keep_hours": 24, "hold_minutes": 60}
    choice = Graph(workflow).nodes["Keep or hold?"].state
    assert chosen(choice, run={"settings": settings}, hosting=None) == "Release hosting"
    output = workflow["States"]["Run succeeded"]["Output"]["hosting_arn"]
    assert evaluate(output, hosting=None) is None
    assert evaluate(output, hosting={"hosting_arn": "its ARN"}) == "its ARN"


def test_what_a_run_has_cost_is_in_its_output(workflow: Machine) -> None:
    output = workflow["States"]["Run succeeded"]["Output"]
    report = {"metered_usd": 145.2, "metered_at_most": True}
    cost = {name: evaluate(output[name], report=report) for name in ("cost_usd", "cost_is_at_most")}
    assert cost == {"cost_usd": 145.2, "cost_is_at_most": True}


def test_other_models_that_cannot_be_asked_are_given_up_and_the_run_goes_on(
    workflow: Machine,
) -> None:
    spoilt, caught = workflow["States"]["Answer with other models"]["Catch"]
    # Nothing is hosted to be asked questions that somebody has replaced.
    assert (spoilt["ErrorEquals"], spoilt["Next"]) == (["DatasetChanged"], "Notify failure")
    assert workflow["States"][caught["Next"]]["Next"] == "Serve tuned model"
    died = {"errorOutput": {"Error": "Runtime.OutOfMemory", "Cause": "too many answers"}}
    one = contracts.OtherAnswers(answers={"few-shot": answers("few-shot")}, done=False)
    for so_far, known in ((None, []), (one.model_dump(mode="json"), ["few-shot"])):
        said = evaluate(caught["Assign"]["other_answers"], states=died, other_answers=so_far)
        given_up = contracts.OtherAnswers.model_validate(said)
        assert ([*given_up.complete], given_up.done) == (known, True)
        assert given_up.failure_of("nova-lite") == "too many answers"
        assert (given_up.failure_of("few-shot") is None) is (so_far is not None)


@pytest.mark.parametrize(
    ("run", "training", "state", "named"),
    [
        ({"name": "second", "tuned_by_run": None}, {"done": True}, "Serve tuned model", "second"),
        ({"name": "second", "tuned_by_run": "first"}, None, "Serve tuned model", "first"),
        ({"name": "second", "tuned_by_run": None}, {"done": False}, "Check training", None),
        ({"name": "second", "tuned_by_run": None}, None, "Validate dataset", None),
        (None, None, "Check preflight", None),
        ({"name": "second", "tuned_by_run": None}, {"done": True}, "Notify", None),
    ],
)
def test_every_failure_after_training_names_the_way_to_go_on(
    workflow: Machine, run: object, training: object, state: str, named: str | None
) -> None:
    said = said_of_failure(workflow, state, run=run, training=training, tuned_answers=None)
    if named is None:
        assert said == "why"
    else:
        assert said.startswith("why. The tuned model is kept. To go on with it at no training cost")
        assert f'"tuned_by_run": "{named}"' in said


def said_of_failure(workflow: Machine, state: str, **variables: object) -> str:
    """Return the cause as it is mailed, which is that of the execution too."""
    variables["failure"] = {"state": state, "error": "HostingFailed", "cause": "why"}
    mailed = workflow["States"]["Notify failure"]["Arguments"]["Payload"]["failure"]["cause"]
    said: str = evaluate(mailed, **variables)
    assert evaluate(workflow["States"]["Run failed"]["Cause"], **variables) == f"{state}: {said}"
    return said


@pytest.mark.parametrize(
    ("state", "run", "answered", "named"),
    [
        ("Judge answers", {"name": "second"}, True, "second"),
        ("Write report", {"name": "third", "tuned_by_run": "first"}, True, "third"),
        ("Judge answers", {"tuned_by_run": "first", "answers_of_run": "third"}, True, "third"),
        # Its data may be what is wrong with it; its input has the name.
        ("Validate dataset", {"tuned_by_run": "first", "answers_of_run": "third"}, False, None),
        ("Notify", {"name": "second"}, True, None),
    ],
)
def test_a_failure_with_all_answers_names_the_way_to_judge_them(
    workflow: Machine, state: str, run: dict[str, str], *, answered: bool, named: str | None
) -> None:
    given = {"name": "fourth", "tuned_by_run": None, "answers_of_run": None} | run
    answers = {"answered": 24} if answered else None
    said = said_of_failure(workflow, state, run=given, training=None, tuned_answers=answers)
    advice = ". The answers are kept. To have them judged with nothing trained or hosted, start a "
    assert ("tuned_by_run" in said, said == "why") == (False, named is None)
    assert said.startswith("why" + advice) == (named is not None)
    assert (f'"answers_of_run": "{named}"' in said) == (named is not None)


def test_nobody_is_told_to_go_on_with_a_model_that_is_gone(workflow: Machine) -> None:
    failed = {"state": "Serve tuned model", "error": "ModelGone", "cause": "why"}
    ran = {"name": "second", "tuned_by_run": "first"}
    caused = workflow["States"]["Run failed"]["Cause"]
    given = {"run": ran, "training": None, "tuned_answers": None, "failure": failed}
    assert evaluate(caused, **given) == "Serve tuned model: why"


def test_an_execution_may_last_as_long_as_any_input_allows(workflow: Machine) -> None:
    longest = ExecutionDefaults.model_json_schema()["properties"]
    hours = longest["max_training_hours"]["maximum"] + longest["approval_hours"]["maximum"]
    provisioning, _null = longest["max_provisioning_minutes"]["anyOf"]
    minutes = provisioning["maximum"] + longest["hold_minutes"]["maximum"]
    seconds = 3600 * hours + 60 * minutes
    assert seconds < workflow["TimeoutSeconds"] <= 30 * 24 * 3600


def cause_of(error: Mapping[str, str]) -> str:
    cause: str = evaluate(str(failure("Any state")["cause"]), states={"errorOutput": error})
    return cause


def cut(message: str, characters: int) -> str:
    return json.dumps({"errorMessage": message, "errorType": "DatasetInvalid"})[:characters]


CAUSES = {
    "of a function": (json.dumps({"errorMessage": "line 3: say", "errorType": "X"}), "line 3: say"),
    "type first": (json.dumps({"errorType": "X", "errorMessage": "gone"}), "gone"),
    "quotes and lines": (json.dumps({"errorMessage": 'a "b"\n\\c/é'}), 'a "b"\n\\c/é'),
    "plain text": ("the service said no", "the service said no"),
    "json of another kind": ('{"a": 1}', '{"a": 1}'),
    "cut in the message": (cut("x" * 50, 40), cut("x" * 50, 40)),
    "cut in an escape": (cut("\n" * 9, 20), cut("\n" * 9, 20)),
    "wrong escape": (r'{"errorMessage": "a\qb"}', r'{"errorMessage": "a\qb"}'),
    "too long": (json.dumps({"errorMessage": "y" * 9000}), "y" * 8000),
    "none": ("", "no cause was given"),
}


@pytest.mark.parametrize("case", CAUSES)
def test_a_cause_is_read_whatever_it_is(case: str) -> None:
    given, expected = CAUSES[case]
    assert cause_of({"Error": "X", "Cause": given}) == expected


def test_error_and_cause_may_be_missing() -> None:
    """As after `aws stepfunctions send-task-failure` without them: null, for a catcher."""
    assert cause_of({"Error": "X"}) == "no cause was given"
    for error in ({}, {"Error": None, "Cause": None}):
        told = evaluate(str(failure("Any state")["error"]), states={"errorOutput": error})
        assert told == "States.TaskFailed"


def test_what_may_be_left_is_said_with_the_command(workflow: Machine) -> None:
    said = {
        "Stop training": "stop-model-customization-job --region",
        "Release hosting after failure": "delete-provisioned-model-throughput ",
    }
    for name, command in said.items():
        kept = workflow["States"][name]["Catch"][0]["Assign"]["failure"]
        assert command in kept["cause"]
        assert kept["error"] == "{% $failure.error %}"


NOT_RELEASED = {
    "provisioned": "no answers; THE THROUGHPUT dev-a MAY STILL BILL $132 an hour, for it could not "
    "be released (denied). The reaper tries again. Delete it by hand: aws bedrock "
    "delete-provisioned-model-throughput --provisioned-model-id dev-a --region us-west-2",
    "on-demand": "no answers; the deployment dev-a may still be there, and whoever asks it pays by "
    "the token: it could not be released (denied). The reaper tries again. Delete it by hand: aws "
    "bedrock delete-custom-model-deployment --custom-model-deployment-identifier dev-a --region "
    "us-west-2",
}


@pytest.mark.parametrize("kind", NOT_RELEASED)
def test_what_could_not_be_released_is_called_by_its_kind(workflow: Machine, kind: str) -> None:
    kept = workflow["States"]["Release hosting after failure"]["Catch"][0]["Assign"]["failure"]
    arn = "arn:aws:states:us-west-2:123456789012:execution:m:e"
    cause = evaluate(
        kept["cause"],
        states={"errorOutput": {"Cause": "denied"}, "context": {"Execution": {"Id": arn}}},
        failure={"cause": "no answers"},
        run={"hosting_name": "dev-a"},
        quote={"hosting": kind, "hosting_usd_per_hour": 132},
    )
    assert cause == NOT_RELEASED[kind]


def test_nobody_is_warned_of_hosting_that_there_never_was(workflow: Machine) -> None:
    kept = workflow["States"]["Release hosting after failure"]["Catch"][0]["Assign"]["failure"]
    cause = evaluate(
        kept["cause"],
        states={"errorOutput": {"Cause": "denied"}, "context": {"Execution": {"Id": "a:b:c:d"}}},
        failure={"cause": "no judge"},
        run={"hosting_name": "dev-a", "answers_of_run": "first"},
        quote={"hosting": None, "hosting_usd_per_hour": 0},
    )
    assert cause == "no judge"


def test_a_failed_run_fails(workflow: Machine) -> None:
    graph = Graph(workflow)
    failed = {name for name in graph.nodes if "failure" in name or name == "Run failed"}
    for name in failed:
        assert "Run succeeded" not in graph.reach(name)
    assert graph.nodes["Run failed"].state["Type"] == "Fail"


def test_the_picture_shows_every_state(workflow: Machine) -> None:
    picture = flowchart(workflow)
    for name in Graph(workflow).nodes:
        assert f'["{name}"]' in picture
