"""What each state does, and what Retry and Catch make of an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.states.executions import MOST_BYTES, StateError
from tests.fakes.states_world import START, Simulation, call, chain, details, types

HOUR = 3600
BIG = "x" * MOST_BYTES


def raising(error: str, cause: str = "") -> Any:
    def act(_: Any) -> None:
        raise StateError(error, cause)

    return act


def fails(*errors: str) -> Any:
    """Return a function that raises one error after the other, and then succeeds."""
    left = list(errors)

    def act(_: Any) -> str:
        if left:
            raise StateError(left.pop(0))
        return "well"

    return act


def test_a_chain_passes_data_waits_and_ends(simulation: Simulation) -> None:
    simulation.function("double", lambda payload: payload * 2)
    machine = chain(
        Remember={"Type": "Pass", "Assign": {"n": "{% $states.input.n %}"}},
        Wait={"Type": "Wait", "Seconds": HOUR},
        Double=call("double", "{% $n %}", Output="{% $states.result.Payload %}"),
        Done={"Type": "Succeed", "Output": {"n": "{% $states.input %}", "was": "{% $n %}"}},
    )
    ended = simulation.play(machine, {"n": 21})
    assert (ended.status, ended.output) == ("SUCCEEDED", {"n": 42, "was": 21})
    assert ended.ended is not None
    assert ended.ended - START == pytest.approx(HOUR + 1, abs=1)
    assert types(ended)[-7:] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["previousEventId"] for event in ended.events] == [0, 0, *range(2, 13)]
    assert simulation.world.statuses == [("run", "RUNNING"), ("run", "SUCCEEDED")]


def test_assignments_see_the_values_of_before(simulation: Simulation) -> None:
    machine = chain(
        First={"Type": "Pass", "Assign": {"a": 1, "b": 2}},
        Swap={
            "Type": "Pass",
            "Assign": {"a": "{% $b %}", "b": "{% $a %}"},
            "Output": "{% [$a, $b] %}",
        },
        Last={"Type": "Pass", "Output": "{% $append($states.input, [$a, $b]) %}"},
    )
    ended = simulation.play(machine)
    assert ended.output == [1, 2, 2, 1]
    told = [left.get("assignedVariables") for left in details(ended, "PassStateExited")]
    assert told == [{"a": "1", "b": "2"}, {"a": "2", "b": "1"}, None]


def test_the_history_tells_what_a_rule_or_a_catcher_assigned(simulation: Simulation) -> None:
    ended = simulation.play(choice("{% true %}"))
    assert details(ended, "ChoiceStateExited")[0]["assignedVariables"] == {"rule": "0"}
    simulation.function("f", raising("Mine", "why"))
    catcher = {"ErrorEquals": ["Mine"], "Assign": {"failed": [True]}, "Next": "Caught"}
    task = call("f", Catch=[catcher], Assign={"failed": "not this"})
    caught = simulation.play(chain(Task=task, Caught={"Type": "Succeed"}), name="2")
    assert details(caught, "TaskStateExited")[0]["assignedVariables"] == {"failed": "[true]"}


def test_a_wait_lasts_until_a_time(simulation: Simulation) -> None:
    until = {"Type": "Wait", "Timestamp": "{% $fromMillis($millis() + 90000) %}"}
    ended = simulation.play(chain(Until=until))
    assert ended.ended == pytest.approx(START + 90)
    past = simulation.play(
        chain(Past={"Type": "Wait", "Timestamp": "2001-01-01T00:00:00Z"}), name="2"
    )
    assert past.ended == ended.ended


@pytest.mark.parametrize(
    "said", ["2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "soon"]
)
def test_a_wait_takes_no_other_format_as_recorded(simulation: Simulation, said: str) -> None:
    ended = simulation.play(chain(Bad={"Type": "Wait", "Timestamp": said}))
    assert ended.error == "States.QueryEvaluationError"
    assert ended.cause == (
        "An error occurred while executing the state 'Bad' (entered at the event id #2). The "
        "Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: "
        f"{said}"
    )
    [failed] = details(ended, "EvaluationFailed")
    assert failed["location"] == "Timestamp"


def choice(*conditions: Any, **more: Any) -> Any:
    rules = [
        {"Condition": condition, "Next": "Chosen", "Output": index, "Assign": {"rule": index}}
        for index, condition in enumerate(conditions)
    ]
    chosen = {"Type": "Pass", "Output": "{% [$states.input, $rule] %}", "End": True}
    states = {"Choose": {"Type": "Choice", "Choices": rules, **more}, "Chosen": chosen}
    return {"StartAt": "Choose", "States": states}


def test_a_choice_takes_the_first_rule_that_is_true(simulation: Simulation) -> None:
    play = simulation.play
    assert play(choice("{% 1 = 2 %}", "{% 1 = 1 %}", "{% true %}")).output == [1, 1]
    default = choice("{% false %}", Default="Chosen", Output="none", Assign={"rule": -1})
    assert play(default, name="2").output == ["none", -1]
    assert play(choice("{% false %}"), name="3").error == "States.NoChoiceMatched"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("{% 'yes' %}", "Expected 'boolean', but was 'string' for value: \"yes\""),
        ("{% null %}", "Expected 'boolean', but was 'null' for value: null"),
        ("{% $nobody.assigned %}", "returned nothing (undefined)."),
        ("{% 1 + 'a' %}", "threw an error during evaluation. T2002"),
    ],
)
def test_a_choice_that_is_not_boolean_fails(
    simulation: Simulation, condition: str, said: str
) -> None:
    ended = simulation.play(choice(condition))
    assert (ended.status, ended.error) == ("FAILED", "States.QueryEvaluationError")
    assert said.rstrip(".") in str(ended.cause)
    [failed] = details(ended, "EvaluationFailed")
    assert (failed["location"], failed["state"]) == ("Choices[0]/Condition", "Choose")
    assert types(ended)[-2:] == ["EvaluationFailed", "ExecutionFailed"]
    assert ended.events[-2]["previousEventId"] == 0, "the event before the state's entering"


@pytest.mark.parametrize(
    ("state", "location"),
    [
        ({"Type": "Pass", "Output": "{% $nothing %}"}, "Output"),
        ({"Type": "Pass", "Output": {"result": "{% $nothing %}"}}, "Output/result"),
        ({"Type": "Pass", "Assign": {"result": "{% $nothing %}"}}, "Assign/result"),
        (call("{% $nothing %}"), "Arguments/FunctionName"),
    ],
)
def test_a_failed_expression_is_located_as_recorded(
    simulation: Simulation, state: Any, location: str
) -> None:
    [failed] = details(simulation.play(chain(Only=state)), "EvaluationFailed")
    assert failed["location"] == location


def test_fail_evaluates_what_it_says(simulation: Simulation) -> None:
    fail = {"Type": "Fail", "Error": "{% 'E' & 1 %}", "Cause": "{% $states.input %}"}
    ended = simulation.play(chain(Fail=fail), "because")
    assert (ended.status, ended.error, ended.cause) == ("FAILED", "E1", "because")
    assert types(ended) == ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]


def test_fail_without_words_tells_none_as_recorded(simulation: Simulation) -> None:
    ended = simulation.play(chain(Fail={"Type": "Fail"}))
    assert ended.events[-1]["executionFailedEventDetails"] == {}
    assert not {"error", "cause"} & ended.describe().keys()


# --- Parallel


def test_branches_have_their_own_variables_and_time(simulation: Simulation) -> None:
    def branch(name: str, seconds: int) -> Any:
        wait = {"Type": "Wait", "Seconds": seconds, "Assign": {"mine": seconds}}
        tell = "{% [$mine, $shared, $toMillis($states.context.State.EnteredTime) / 1000] %}"
        return chain(**{f"{name}1": wait, f"{name}2": {"Type": "Pass", "Output": tell}})

    both = {"Type": "Parallel", "Branches": [branch("a", 60), branch("b", HOUR)]}
    output = {"Output": "{% {'first': $states.result[0], 'last': $states.result[1]} %}"}
    machine = chain(Share={"Type": "Pass", "Assign": {"shared": 7}}, Both={**both, **output})
    first, last = simulation.play(machine).output.values()
    assert (first[:2], last[:2]) == ([60, 7], [HOUR, 7])
    assert last[2] - first[2] == pytest.approx(HOUR - 60, abs=1)


def test_a_branch_that_fails_ends_the_others_with_its_own_error(simulation: Simulation) -> None:
    fails_soon = chain(Soon={"Type": "Wait", "Seconds": 5}, Bad={"Type": "Fail", "Error": "Bad"})
    waits = chain(Long={"Type": "Wait", "Seconds": 9 * HOUR})
    catch = [{"ErrorEquals": ["Bad"], "Output": "{% $states.errorOutput.Error %}", "Next": "After"}]
    both = {"Type": "Parallel", "Branches": [fails_soon, waits], "Catch": catch}
    ended = simulation.play(chain(Both=both, After={"Type": "Succeed"}))
    assert (ended.status, ended.output) == ("SUCCEEDED", "Bad")
    assert types(ended)[6:10] == [
        "FailStateEntered",
        "WaitStateAborted",
        "ParallelStateFailed",
        "ParallelStateExited",
    ]
    assert [event["previousEventId"] for event in ended.events[8:10]] == [7, 9]
    assert simulation.clock.time() < START + 60, "nobody waits for the other branch any more"


def numbered(execution: Any, first: int) -> list[tuple[int, int, str]]:
    keys = ("id", "previousEventId", "type")
    return [tuple(event[key] for key in keys) for event in execution.events[first - 1 :]]


def test_a_parallel_state_fails_once_a_visit_as_recorded(simulation: Simulation) -> None:
    retry = [retrier("E", MaxAttempts=2)]
    fails = {"Type": "Parallel", "Branches": [chain(F={"Type": "Fail", "Error": "E"})]}
    ended = simulation.play(chain(Both={**fails, "Retry": retry}))
    assert numbered(ended, 3) == [
        (3, 2, "ParallelStateStarted"),
        (4, 3, "FailStateEntered"),
        (5, 4, "ParallelStateStarted"),
        (6, 5, "FailStateEntered"),
        (7, 6, "ParallelStateStarted"),
        (8, 7, "FailStateEntered"),
        (9, 8, "ParallelStateFailed"),
        (10, 9, "ExecutionFailed"),
    ]


def test_a_task_that_ends_a_branch_is_aborted_as_recorded(simulation: Simulation) -> None:
    simulation.function("f", raising("E"))
    catch = [{"ErrorEquals": ["E"], "Next": "After"}]
    both = {"Type": "Parallel", "Branches": [chain(Task=call("f"))], "Catch": catch}
    ended = simulation.play(chain(Both=both, After={"Type": "Succeed"}))
    assert numbered(ended, 4)[:7] == [
        (4, 3, "TaskStateEntered"),
        (5, 4, "TaskScheduled"),
        (6, 5, "TaskStarted"),
        (7, 6, "TaskFailed"),
        (8, 7, "TaskStateAborted"),
        (9, 7, "ParallelStateFailed"),
        (10, 9, "ParallelStateExited"),
    ]
    failed = simulation.play(chain(Task=call("f")), name="2")
    assert "TaskStateAborted" not in types(failed), "the execution ends with it"


def test_an_output_that_fails_is_not_the_branches_failure(simulation: Simulation) -> None:
    both = {"Type": "Parallel", "Branches": [chain(Only={"Type": "Pass"})]}
    ended = simulation.play(chain(Both={**both, "Output": "{% $nothing.there %}"}))
    assert types(ended)[-3:] == ["ParallelStateSucceeded", "EvaluationFailed", "ExecutionFailed"]


def test_what_succeeded_is_beside_the_chain_of_events_as_recorded(simulation: Simulation) -> None:
    both = {"Type": "Parallel", "Branches": [chain(Only={"Type": "Pass"})]}
    assert numbered(simulation.play(chain(Both=both)), 5)[:3] == [
        (5, 4, "PassStateExited"),
        (6, 5, "ParallelStateSucceeded"),
        (7, 5, "ParallelStateExited"),
    ]


# --- errors


CATCHES = [
    # error, what is listed, whether that catches it
    ("Mine", "Mine", True),
    ("Mine", "States.ALL", True),
    ("Mine", "States.TaskFailed", True),
    ("Mine", "Yours", False),
    ("States.Timeout", "States.ALL", True),
    ("States.Timeout", "States.TaskFailed", False),
    ("States.Timeout", "States.HeartbeatTimeout", False),
    ("States.Runtime", "States.ALL", False),
    ("States.Runtime", "States.TaskFailed", False),
    ("States.Runtime", "States.Runtime", False),
    ("States.QueryEvaluationError", "States.ALL", True),
    ("States.QueryEvaluationError", "States.TaskFailed", True),
    ("States.DataLimitExceeded", "States.DataLimitExceeded", True),
    ("States.DataLimitExceeded", "States.ALL", True),
]


@pytest.mark.parametrize(("error", "listed", "is_caught"), CATCHES)
def test_what_a_catcher_catches(
    simulation: Simulation, error: str, listed: str, *, is_caught: bool
) -> None:
    simulation.function("f", raising(error, "why"))
    task = call("f", Catch=[{"ErrorEquals": [listed], "Next": "Caught"}])
    ended = simulation.play(chain(Task=task, Caught={"Type": "Succeed"}))
    assert (ended.status == "SUCCEEDED") == is_caught
    if is_caught:
        assert ended.output == {"Error": error, "Cause": "why"}


def test_the_data_limit_as_documented_is_not_in_all(expressions: Any) -> None:
    documented = Simulation(expressions, not_in_all=["States.DataLimitExceeded"])
    documented.function("f", raising("States.DataLimitExceeded"))
    for name, is_caught in (("States.ALL", False), ("States.DataLimitExceeded", True)):
        task = call("f", Catch=[{"ErrorEquals": [name], "Next": "Caught"}])
        ended = documented.play(chain(Task=task, Caught={"Type": "Succeed"}), name=name)
        assert (ended.status == "SUCCEEDED") == is_caught
    documented.clock.stop()


def test_a_catcher_has_output_and_assignments_of_its_own(simulation: Simulation) -> None:
    simulation.function("f", raising("Mine", "why"))
    catcher = {
        "ErrorEquals": ["States.ALL"],
        "Output": "{% $states.errorOutput.Cause %}",
        "Assign": {"failed": "{% $states.errorOutput.Error %}", "with": "{% $states.input %}"},
        "Next": "Caught",
    }
    task = call("f", Catch=[catcher], Output="not this", Assign={"failed": "nor this"})
    caught = {"Type": "Succeed", "Output": "{% [$states.input, $failed, $with] %}"}
    ended = simulation.play(chain(Task=task, Caught=caught), "given")
    assert ended.output == ["why", "Mine", "given"]


@pytest.mark.parametrize("field", ["Output", "Assign"])
def test_an_expression_that_fails_after_the_task_is_caught(
    simulation: Simulation, field: str
) -> None:
    simulation.function("f", lambda payload: payload)
    bad = {field: {"x": "{% $nothing.there %}"}}
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Caught"}]
    ended = simulation.play(chain(Task=call("f", Catch=catch, **bad), Caught={"Type": "Succeed"}))
    assert ended.status == "SUCCEEDED"
    assert f"'{field}/x' returned nothing (undefined)" in ended.output["Cause"]


def test_an_expression_that_fails_in_a_catcher_fails_the_execution(simulation: Simulation) -> None:
    simulation.function("f", raising("Mine"))
    catch = [{"ErrorEquals": ["States.ALL"], "Output": "{% $nothing.there %}", "Next": "Caught"}]
    ended = simulation.play(chain(Task=call("f", Catch=catch), Caught={"Type": "Succeed"}))
    assert ended.error == "States.QueryEvaluationError"


def retrier(*errors: str, **more: Any) -> Any:
    return {"ErrorEquals": list(errors), **more}


def test_each_retrier_counts_its_own_attempts_over_a_whole_visit(simulation: Simulation) -> None:
    simulation.function("f", fails("A", "B", "A", "B"))
    retry = [retrier("A", MaxAttempts=2), retrier("B", MaxAttempts=2)]
    ended = simulation.play(chain(Task=call("f", Retry=retry)))
    assert ended.status == "SUCCEEDED"
    simulation.function("g", fails("A", "B", "A", "B", "A"))
    assert simulation.play(chain(Task=call("g", Retry=retry)), name="2").error == "A"


def test_a_retry_waits_as_long_as_it_says(simulation: Simulation) -> None:
    simulation.function("f", raising("A"))
    often = retrier("A", IntervalSeconds=100, MaxAttempts=4, MaxDelaySeconds=300)
    often["JitterStrategy"] = "FULL"  # it is the longest that is waited
    ended = simulation.play(chain(Task=call("f", Retry=[often])))
    assert ended.ended == pytest.approx(START + 100 + 200 + 300 + 300, abs=10)
    assert len(details(ended, "TaskFailed")) == 5


def test_a_failed_expression_can_be_tried_again(simulation: Simulation) -> None:
    simulation.function("f", lambda payload: payload)
    retry = [retrier("States.QueryEvaluationError", MaxAttempts=1)]
    ended = simulation.play(chain(Task=call("f", "{% $nothing.there %}", Retry=retry)))
    assert ended.error == "States.QueryEvaluationError"
    assert len(details(ended, "EvaluationFailed")) == 2


def test_the_context_counts_retries_as_recorded(simulation: Simulation) -> None:
    simulation.function("f", fails("A"))
    count = "{% $states.context.State.RetryCount %}"
    task = call("f", Retry=[retrier("A")], Output=count)
    state = {"Type": "Pass", "Output": "{% [$states.input, $states.context.State.RetryCount] %}"}
    assert simulation.play(chain(Task=task, Pass=state)).output == [1]


# --- sizes


def test_a_result_that_is_too_large_is_caught(simulation: Simulation) -> None:
    simulation.function("f", lambda _: BIG)
    task = call("f", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}])
    ended = simulation.play(chain(Task=task, Caught={"Type": "Succeed"}))
    assert ended.output["Error"] == "States.DataLimitExceeded"
    assert ended.output["Cause"] == (
        "The state/task 'lambda' returned a result with a size exceeding the maximum number of "
        "bytes service limit."
    )
    assert "TaskFailed" in types(ended)


@pytest.mark.parametrize("field", ["Output", "Assign"])
def test_an_output_or_variable_that_is_too_large_fails_the_execution(
    simulation: Simulation, field: str
) -> None:
    simulation.function("f", lambda payload: payload)
    big = {field: {"x": "{% $join([$states.input, $states.input]) %}"}}
    catch = [{"ErrorEquals": ["States.ALL", "States.DataLimitExceeded"], "Next": "Caught"}]
    task = call("f", Catch=catch, **big)
    machine = chain(Task=task, Caught={"Type": "Succeed"})
    ended = simulation.play(machine, BIG[: MOST_BYTES * 2 // 3])
    assert (ended.status, ended.error) == ("FAILED", "States.DataLimitExceeded")
    assert types(ended)[-2:] == ["TaskSucceeded", "ExecutionFailed"], "the state is not exited"


def test_what_just_fits_fits_in_utf8(simulation: Simulation) -> None:
    umlauts = "ä" * (MOST_BYTES // 2 - 1)  # two bytes each, and two quotes
    assert simulation.play(chain(Pass={"Type": "Pass"}), umlauts).status == "SUCCEEDED"
    assert len(json.dumps(umlauts)) > MOST_BYTES


# --- what goes on outside


def test_a_watcher_is_told_before_a_state_does_anything(simulation: Simulation) -> None:
    simulation.function("f", lambda _: None)
    seen: list[tuple[str, int]] = []

    def watch(arn: str, state: str) -> None:
        seen.append((state, len(simulation.world.called)))
        if state == "Second":
            simulation.service.call("StopExecution", {"executionArn": arn, "cause": "enough"})

    with simulation.service.watching(watch):
        ended = simulation.play(chain(First=call("f"), Second=call("f")))
    assert seen == [("First", 0), ("Second", 1)]
    assert (ended.status, ended.cause) == ("ABORTED", "enough")
    assert len(simulation.world.called) == 1
