"""Step Functions: executions are ours, the machines' own records stay MiniStack's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ministack import app as gateway
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import eventbridge, s3
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from local.clock import SimulatedClock
from local.ministack.functions import arn_of, call, in_thread
from local.ministack.upstream import original
from local.states.definition import problems
from local.states.executions import Execution, Machine, StateError, text
from local.states.expressions import Expressions
from local.states.routines import Done
from local.states.service import Refused, StepFunctions

Json = Any  # a state's input or output, an operation's request or answer
Answer = tuple[int, dict[str, str], bytes]
_OF_MACHINES = frozenset(
    {
        "CreateStateMachine",
        "DescribeStateMachine",
        "UpdateStateMachine",
        "ListStateMachines",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
    }
)
_LARGEST_IN_EVENTS = 248 * 1024  # of characters of an input or output
_running: list[StepFunctions] = []


def _service() -> StepFunctions:
    return _running[-1]


def watching(watch: Callable[[str, str], None]) -> AbstractContextManager[None]:
    """Call `watch` with execution and state as each state is entered, before it does anything."""
    return _service().watching(watch)


def execution_of(arn: str) -> Execution | None:
    """Return an execution, or None if it is gone."""
    return _service().execution(arn)


def run_executions(clock: SimulatedClock, expressions: Expressions) -> StepFunctions:
    """Serve executions by an interpreter of our own, also those that events start.

    MiniStack's run in threads and real time, lack most rules of JSONata, and check no role.
    """
    original(sfn, "_start_execution")
    stock = original(gateway, "SERVICE_HANDLERS")["states"]
    service = StepFunctions(clock, expressions, AwsWorld(clock), Records())
    _running.append(service)

    async def handle(method: str, path: str, headers: Json, body: bytes, query: Json) -> Answer:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation in service.operations:
            return _answer(service, operation, json.loads(body or b"{}"))
        if operation not in _OF_MACHINES:
            message = f"{operation} is not played offline"
            return _refusal(Refused("UnknownOperationException", message))
        answer: Answer = await stock(method, path, headers, body, query)
        return answer

    gateway.SERVICE_HANDLERS["states"] = handle
    sfn._start_execution = lambda request: _answer(service, "StartExecution", request)
    _authorize_by_the_machine_of_a_token(service)
    return service


def _answer(service: StepFunctions, operation: str, request: Json) -> Answer:
    try:
        answer: Answer = json_response(service.call(operation, request))
    except Refused as refused:
        return _refusal(refused)
    return answer


def _refusal(refused: Refused) -> Answer:
    answer: Answer = error_response_json(refused.code, str(refused), 400)
    return answer


def _authorize_by_the_machine_of_a_token(service: StepFunctions) -> None:
    """Authorize SendTask* on the machine of the token; stock does on `*`."""
    stock = original(iam_actions, "extract_resource_arn")

    def extract(name: str, method: str, path: str, headers: Json, body: bytes, *more: Any) -> Any:
        of_token = name == "states" and b"taskToken" in (body or b"")
        token = json.loads(body).get("taskToken", "") if of_token else ""
        machine = service.machine_of_token(token)
        return machine or stock(name, method, path, headers, body, *more)

    iam_actions.extract_resource_arn = extract


def check_definitions(expressions: Expressions) -> None:
    """Refuse what AWS refuses when a machine is created or updated, from a stack too."""
    original(sfn, "_validate_definition_jsonata")
    stock = original(provisioners, "_sfn_definition")

    def check(definition: str) -> str | None:
        found = problems(definition, expressions)
        return f"Invalid State Machine Definition: '{', '.join(found)}'" if found else None

    def check_in_stack(properties: Json) -> str:
        definition: str = stock(properties)
        if refusal := check(definition):
            raise ValueError(refusal)
        return definition

    sfn._validate_definition_jsonata = check
    provisioners._sfn_definition = check_in_stack


class Records:
    """MiniStack's records of state machines."""

    def find(self, arn: str) -> Mapping[str, Any] | None:
        with _scope(arn):
            base = sfn._resolve_state_machine_arn(arn)
            found: Mapping[str, Any] | None = sfn._state_machines.get(base) if base else None
            return found

    def mark_as_deleting(self, arn: str) -> None:
        with _scope(arn):
            sfn._state_machines[arn]["status"] = "DELETING"

    def delete(self, arn: str) -> None:
        with _scope(arn):
            sfn._delete_state_machine({"stateMachineArn": arn})


class AwsWorld:
    """The services that executions use, as their machine's role may."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock

    def invoke(self, machine: Machine, arguments: Json, done: Done) -> None:
        def run() -> None:
            try:
                with _scope(machine.arn):
                    answer, error = self._invoked(machine, arguments), None
            except StateError as failure:
                answer, error = None, failure
            done(answer, error)

        in_thread(self._clock, run)

    def _invoked(self, machine: Machine, arguments: Json) -> Json:
        function = arguments["FunctionName"]
        arn = arn_of(function) or function
        if not self.allows(machine, "lambda:InvokeFunction", arn):
            raise StateError(
                "Lambda.AWSLambdaException", _denied(machine, "lambda:InvokeFunction", arn)
            )
        config, result = call(function, arguments.get("Payload", {}))
        if config is None:
            cause = f"Function not found: {function} (Service: AWSLambda; Status Code: 404)"
            raise StateError("Lambda.ResourceNotFoundException", cause)
        body = result["body"]
        if result.get("throttle"):
            raise StateError("Lambda.TooManyRequestsException", body["message"])
        if result.get("error"):
            raise StateError(body["errorType"], text(body))
        return {"ExecutedVersion": config["Version"], "Payload": body, "StatusCode": 200}

    def allows(self, machine: Machine, action: str, resource: str) -> bool:
        if not gateway.AUTH:
            return True
        region, account = machine.arn.split(":")[3:5]
        name = machine.role_arn.rsplit("/", 1)[-1]
        with _scope(machine.arn):
            context = iam_evaluator.EvalContext(
                _caller(machine), "AssumedRole", account, action, resource, region
            )
            policies = iam_evaluator._gather_role_policies(name, account)
            return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        self._check_object(machine, "s3:GetObject", bucket, key)
        with _scope(machine.arn):
            body = s3._get_object_data(bucket, key)
        if body is None:
            raise LookupError("The specified key does not exist.")
        return bytes(body)

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None:
        self._check_object(machine, "s3:PutObject", bucket, key)
        with _scope(machine.arn):
            status = s3._put_object(bucket, key, body, {})[0]
        if status >= 400:  # noqa: PLR2004  # HTTP's first error
            raise LookupError(f"S3 answered with status {status}")

    def _check_object(self, machine: Machine, action: str, bucket: str, key: str) -> None:
        arn = f"arn:aws:s3:::{bucket}/{key}"
        if not self.allows(machine, action, arn):
            raise LookupError(_denied(machine, action, arn))

    def is_deleted(self, machine: Machine) -> bool:
        with _scope(machine.arn):
            found = sfn._state_machines.get(machine.arn)
        return found is None or found.get("status") == "DELETING"

    def changed(self, execution: Execution) -> None:
        """Put the event of a status on the default bus, as only AWS can."""
        entry = {
            "Source": "aws.states",
            "DetailType": "Step Functions Execution Status Change",
            "Detail": json.dumps(_detail(execution)),
            "Resources": [execution.arn],
        }
        with _scope(execution.arn):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _scope(arn: str) -> AbstractContextManager[None]:
    """Act in the account and region of a resource."""
    region, account = arn.split(":")[3:5]
    scope: AbstractContextManager[None] = request_scope(account, region)
    return scope


def _caller(machine: Machine) -> str:
    account, name = machine.role_arn.split(":")[4], machine.role_arn.rsplit("/", 1)[-1]
    return f"arn:aws:sts::{account}:assumed-role/{name}/states"


def _denied(machine: Machine, action: str, arn: str) -> str:
    return (
        f"User: {_caller(machine)} is not authorized to perform: {action} on resource: {arn} "
        f"because no identity-based policy allows the {action} action"
    )


def _detail(execution: Execution) -> Json:
    """Return what an event of a status tells; texts that are too large are left out.

    Source, read 2026-11-29: Step Functions Developer Guide, eventbridge-integration.html.
    """
    succeeded = execution.status == "SUCCEEDED"
    told = {
        "input": text(execution.given),
        "output": text(execution.output) if succeeded else None,
    }
    fits = {name: len(what or "") <= _LARGEST_IN_EVENTS for name, what in told.items()}
    return {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine.arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": round(execution.began * 1000),
        "stopDate": None if execution.ended is None else round(execution.ended * 1000),
        **{name: what if fits[name] else None for name, what in told.items()},
        "inputDetails": {"included": fits["input"]},
        "outputDetails": {"included": fits["output"]} if succeeded else None,
        "error": execution.error,
        "cause": execution.cause,
        "redriveCount": len(execution.redriven),
    }
