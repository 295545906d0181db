"""The task that calls one function, the same in every machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.constructs.retries import ALWAYS, Retry

NOW = "{% $states.context.State.EnteredTime %}"
# Of an execution that was never redriven AWS documents 0, not whether it is always there.
REDRIVEN = "{% $states.context.Execution.RedriveCount ? true : false %}"
NOTHING = "{% null %}"
RESULT = "{% $states.result.Payload %}"
EXECUTION = {
    "name": "{% $states.context.Execution.Name %}",
    "arn": "{% $states.context.Execution.Id %}",
    "started_at": "{% $states.context.Execution.StartTime %}",
}
INPUT = "{% $states.context.Execution.Input %}"
REGION = "$split($states.context.Execution.Id, ':')[3]"
# Beyond the function's own limit: when a state times out, its function has ended.
_MARGIN_SECONDS = 60
_MAX_CAUSE_CHARACTERS = 8000

# A function's error is JSON, other errors are plain text, and a long one may be cut anywhere: only
# a complete JSON string is parsed, because an error in a catcher would skip all that follows it.
# \x5c is a backslash, written so that no parser takes it for the start of an escape.
_MESSAGE = (
    r'/"errorMessage"\s*:\s*"([^"\x5c\x00-\x1f]*'
    r'(?:\x5c(?:["\x5c\/bfnrt]|u[0-9a-fA-F]{4})[^"\x5c\x00-\x1f]*)*)"/'
)
CAUSE = (
    "($given := $states.errorOutput.Cause; $text := $given ? $given : 'no cause was given'; "
    f"$found := $match($text, {_MESSAGE}, 1); "
    "$substring($exists($found) ? $parse('\"' & $found.groups[0] & '\"') : $text, "
    f"0, {_MAX_CAUSE_CHARACTERS}))"
)

# Whoever has a task's token may report its failure without naming an error.
_ERROR = "$given := $states.errorOutput.Error; $given ? $given : 'States.TaskFailed'"


def failure(state: str, cause: str = CAUSE) -> dict[str, object]:
    """Return what a catcher assigns: the failed state, its error and, in JSONata, the cause."""
    return {
        "state": state,
        "error": f"{{% ({_ERROR}) %}}",
        "cause": f"{{% {cause} %}}",
    }


def invoke(  # noqa: PLR0913  # keyword-only, each a part of the state
    scope: Construct,
    name: str,
    function: lambda_.Function,
    payload: Mapping[str, object],
    *,
    assign: Mapping[str, object] | None = None,
    outputs: object = RESULT,
    retries: Sequence[Retry] = ALWAYS,
) -> sfn.TaskStateBase:
    """Make the state `name`, which calls `function` and waits longer than it may run.

    It calls the version that is deployed with it, so that a run keeps the code and the variables
    with which it began.
    """
    seconds = _timeout_seconds(function) + _MARGIN_SECONDS
    task = tasks.LambdaInvoke.jsonata(
        scope,
        name,
        lambda_function=function.current_version,
        payload=sfn.TaskInput.from_object(_with_context(payload)),
        assign=assign,
        outputs=outputs,
        task_timeout=sfn.Timeout.duration(Duration.seconds(seconds)),
        retry_on_service_exceptions=False,
    )
    for retry in retries:
        retry.apply(task)
    return task


def _with_context(payload: Mapping[str, object]) -> dict[str, object]:
    return {"now": NOW, "redriven": REDRIVEN, **payload}


def _timeout_seconds(function: lambda_.Function) -> float:
    if function.timeout is None:
        raise ValueError(f"{function.node.path} has no time-out of its own")
    return function.timeout.to_seconds()


def wait_for_decision(  # noqa: PLR0913  # as above
    scope: Construct,
    name: str,
    function: lambda_.Function,
    payload: Mapping[str, object],
    *,
    assign: Mapping[str, object],
    hours: str,
    retries: Sequence[Retry],
) -> sfn.CustomState:
    """Make a state that calls a function with a token, and waits until the token is returned.

    `hours` is a JSONata expression of how long; then it fails with States.Timeout.
    """
    # A custom state: the construct renders a time-out that is an expression as JSONPath.
    task = sfn.CustomState(
        scope,
        name,
        state_json={
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {
                "FunctionName": function.current_version.function_arn,
                "Payload": _with_context({"token": "{% $states.context.Task.Token %}", **payload}),
            },
            "Assign": dict(assign),
            "TimeoutSeconds": f"{{% $round({hours} * 3600) %}}",
        },
    )
    for retry in retries:
        retry.apply(task)
    return task
