"""The frame around every state's function: parse, log under one step name, act, return JSON."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from aws_lambda_powertools import Logger, Tracer
from pydantic import BaseModel, ValidationError

from lambdas.domain.errors import InputInvalid, RunRedriven, TuningError
from lambdas.domain.run.contracts import RefusedIfRedriven
from lambdas.domain.run.names import PROJECT
from lambdas.domain.run.variables import Variables

RequestT = TypeVar("RequestT", bound=BaseModel)
VariablesT = TypeVar("VariablesT", bound=Variables)
SecondsLeft = Callable[[], float]
LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]

logger = Logger(service=PROJECT)
tracer = Tracer(service=PROJECT)


def variables_of(kind: type[VariablesT]) -> VariablesT:
    """Return this function's environment variables, parsed once per process.

    Raises
    ------
    RuntimeError
        One is missing or malformed; only a function that was edited by hand can show it.
    """
    return cast("VariablesT", _variables(kind))


@functools.cache  # which would forget the type
def _variables(kind: type[Variables]) -> Variables:
    try:
        return kind.model_validate(dict(os.environ))
    except ValidationError as error:
        raise RuntimeError(
            f"environment variables of this function: {_problems(error)}. Deploy it again"
        ) from error


def _parsed(request: type[RequestT], event: dict[str, Any]) -> RequestT:
    try:
        return request.model_validate(event)
    except ValidationError as error:
        raise InputInvalid(f"the input is not valid ({_problems(error)})") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())


def _refuse_if_redriven(request: BaseModel) -> None:
    if isinstance(request, RefusedIfRedriven) and request.redriven:
        raise RunRedriven(
            "this execution was redriven, and a run is not continued: when it ended, its job was "
            "stopped and its hosting released. Nothing more was bought. Start a new execution "
            "with the same input; the console's New execution fills it in"
        )


def step(name: str, request: type[RequestT]) -> Callable[..., LambdaHandler]:
    """Make a typed function into the Lambda handler of the state called `name`.

    The function takes the parsed request and returns a contract; an error it raises reaches the
    log, and Step Functions by its class name, unchanged. What it was given and what it returns
    reach no log: a run's settings hold a prompt, and the records of a review are training data.
    """

    def wrap(act: Callable[[RequestT], BaseModel]) -> LambdaHandler:
        @functools.wraps(act)
        def timed(parsed: RequestT, seconds_left: SecondsLeft) -> BaseModel:
            del seconds_left
            return act(parsed)

        return timed_step(name, request)(timed)

    return wrap


def timed_step(name: str, request: type[RequestT]) -> Callable[..., LambdaHandler]:
    """Do as `step` does for a function that also takes how many seconds its invocation has left."""

    def wrap(act: Callable[[RequestT, SecondsLeft], BaseModel]) -> LambdaHandler:
        @functools.wraps(act)
        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own
            parsed = _parsed(request, event)
            run = getattr(parsed, "run", None)
            logger.append_keys(step=name, run=run.name if run else None)
            try:
                with tracer.provider.in_subsegment(f"## {name}"):
                    _refuse_if_redriven(parsed)
                    result = act(parsed, lambda: _seconds_left(context)).model_dump(mode="json")
            except TuningError as error:
                logger.error(str(error), extra={"error": type(error).__name__})  # noqa: TRY400  # a person's message needs no traceback
                raise
            except Exception:
                logger.exception("unexpected error")
                raise
            logger.info("done")
            return result

        return handler

    return wrap


def _seconds_left(context: Any) -> float:  # noqa: ANN401  # Lambda's own
    milliseconds: int = context.get_remaining_time_in_millis()
    return milliseconds / 1000
