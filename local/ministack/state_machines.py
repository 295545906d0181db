"""Step Functions: executions are ours, the machines' own records stay MiniStack's."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import stepfunctions as sfn
from ministack.services.cloudformation import provisioners

from local.bedrock.state import Location, World
from local.ministack import functions
from local.states.definition import problems
from local.states.executions import RUNTIME, Execution, Machine, StateError, text
from local.states.expressions import Expressions
from local.states.service import Refused, StepFunctions

Json = Any  # a state's input or output, an operation's request or answer
_OF_MACHINES = re.compile(
    r"(Create|Describe|Update|List)StateMachines?|(Tag|Untag|ListTagsFor)Resource"
)


def run_executions(service: StepFunctions) -> None:
    """Serve executions by an interpreter of our own, also those that events start.

    MiniStack's run in threads and real time, lack most rules of JSONata, and check no role.
    """
    from ministack import app  # noqa: PLC0415  # reads the environment on import

    stock = app.SERVICE_HANDLERS["states"]

    def answer(operation: str, request: Json) -> Any:
        try:
            return json_response(service.call(operation, request))
        except Refused as refused:
            return error_response_json(refused.code, str(refused), 400)

    async def handle(method: str, path: str, headers: Json, body: bytes, query: Json) -> Any:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if _OF_MACHINES.fullmatch(operation):
            return await stock(method, path, headers, body, query)
        return answer(operation, json.loads(body or b"{}"))

    app.SERVICE_HANDLERS["states"] = handle
    sfn._start_execution = partial(answer, "StartExecution")
    _authorize_by_the_machine_of_a_token(service)


def _authorize_by_the_machine_of_a_token(service: StepFunctions) -> None:
    """Authorize SendTask* on the machine of the token; stock does on `*`."""
    stock = iam_actions.extract_resource_arn

    def extract(name: str, method: str, path: str, headers: Json, body: bytes, *more: Any) -> Any:
        of_token = name == "states" and b"taskToken" in (body or b"")
        token = json.loads(body).get("taskToken", "") if of_token else ""
        machine = service.machine_of_token(token)
        return machine or stock(name, method, path, headers, body, *more)

    iam_actions.extract_resource_arn = extract


def check_definitions(expressions: Expressions) -> None:
    """Refuse what AWS refuses when a machine is created or updated, from a stack too."""
    stock = provisioners._sfn_definition

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


class AwsWorld:
    """MiniStack's records of machines, and the services that they use, as their role may."""

    def __init__(self, world: World) -> None:
        self._objects, self._grants = world.objects, world.grants

    def find(self, machine_arn: str) -> dict[str, Any] | None:
        with _scope(machine_arn):
            found: dict[str, Any] | None = sfn._state_machines.get(machine_arn)
            return found

    def delete(self, machine_arn: str) -> None:
        with _scope(machine_arn):
            sfn._delete_state_machine({"stateMachineArn": machine_arn})

    def invoke(self, machine: Machine, arguments: Json) -> Json:
        function = arguments.get("FunctionName") if isinstance(arguments, dict) else None
        if not isinstance(function, str):
            raise StateError(RUNTIME, "The field 'FunctionName' is required but was missing")
        payload = arguments.get("Payload")
        if isinstance(payload, str):
            raise StateError(RUNTIME, "Payload as text, which AWS parses, is not played offline")
        with _scope(machine.arn):
            record = functions.find(function)
            if record is None:
                cause = f"Function not found: {function} (Service: AWSLambda; Status Code: 404)"
                raise StateError("Lambda.ResourceNotFoundException", cause)
            config = record["config"]
            if denied := self.denied(machine, "lambda:InvokeFunction", config["FunctionArn"]):
                raise StateError("Lambda.AWSLambdaException", denied)
            result = functions.invoke(record, {} if payload is None else payload)
        body = result["body"]
        if result.get("throttle"):
            raise StateError("Lambda.TooManyRequestsException", body["message"])
        if result.get("error"):
            raise StateError(body["errorType"], text(body))
        return {"ExecutedVersion": config["Version"], "Payload": body, "StatusCode": 200}

    def denied(self, machine: Machine, action: str, resource: str) -> str | None:
        from ministack import app  # noqa: PLC0415  # reads the environment on import

        if not app.AUTH or self._grants.allows(machine.role_arn, action, resource, {}):
            return None
        account, name = machine.role_arn.split(":")[4], machine.role_arn.rsplit("/", 1)[-1]
        return (
            f"User: arn:aws:sts::{account}:assumed-role/{name}/states is not authorized to "
            f"perform: {action} on resource: {resource}"
        )

    def read(self, machine: Machine, bucket: str, key: str) -> bytes:
        self._check("s3:GetObject", machine, bucket, key)
        body = self._objects.get(bucket, key)
        if body is None:
            raise LookupError("The specified key does not exist.")
        return body

    def write(self, machine: Machine, bucket: str, key: str, body: bytes) -> None:
        self._check("s3:PutObject", machine, bucket, key)
        self._objects.put(bucket, key, body)

    def _check(self, action: str, machine: Machine, bucket: str, key: str) -> None:
        if denied := self.denied(machine, action, f"arn:aws:s3:::{bucket}/{key}"):
            raise LookupError(denied)
        if self._objects.bucket_region(bucket) is None:
            raise LookupError("The specified bucket does not exist.")

    def changed(self, execution: Execution) -> None:
        """Put the event of a status on the default bus, as only AWS can.

        Source, read 2026-11-29: Step Functions Developer Guide, eventbridge-integration.html.
        """
        from local.ministack.gateway import publish  # noqa: PLC0415  # same

        detail = dict.fromkeys(("stopDate", "output", "error", "cause")) | execution.describe()
        for date in ("startDate", "stopDate"):
            detail[date] = detail[date] and round(detail[date] * 1000)
        region, account = execution.arn.split(":")[3:5]
        kind = "Step Functions Execution Status Change"
        publish("aws.states", Location(account, region), kind, detail, [execution.arn])


def _scope(arn: str) -> Any:
    """Act in the account and region of a resource."""
    return request_scope(*arn.split(":")[4:2:-1])
