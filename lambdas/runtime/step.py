"""The frame around every state's function: parse, log under one step name, act, return JSON."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger, Tracer
from pydantic import BaseModel, ValidationError

from lambdas.domain.errors import InputInvalid, TuningError

RequestT = TypeVar("RequestT", bound=BaseModel)
LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]

logger = Logger(service="bedrock-tuning")
tracer = Tracer(service="bedrock-tuning")


def setting(name: str) -> str:
    """Return a function's environment variable; `stacks/` sets all of them.

    Raises
    ------
    RuntimeError
        It is not set, which only a hand-edited function can show.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise RuntimeError(f"environment variable {name} is not set on this function") from None


def _parsed(request: type[RequestT], event: dict[str, Any]) -> RequestT:
    try:
        return request.model_validate(event)
    except ValidationError as error:
        fields = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        raise InputInvalid(f"the input must be a JSON object of known fields ({fields})") from error


def step(name: str, request: type[RequestT]) -> Callable[..., LambdaHandler]:
    """Make a typed function into the Lambda handler of the state called `name`.

    The function takes the parsed request and returns a contract; an error it raises reaches the
    log, and Step Functions by its class name, unchanged.
    """

    def wrap(act: Callable[[RequestT], BaseModel]) -> LambdaHandler:
        @functools.wraps(act)
        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's own
            del context
            parsed = _parsed(request, event)
            run = getattr(parsed, "run", None)
            logger.append_keys(step=name, run=run.name if run else None)
            try:
                with tracer.provider.in_subsegment(f"## {name}"):
                    result = act(parsed).model_dump(mode="json")
            except TuningError as error:
                logger.error(str(error), extra={"error": type(error).__name__})  # noqa: TRY400  # a person's message needs no traceback
                raise
            except Exception:
                logger.exception("unexpected error")
                raise
            logger.info("done", extra={"result": result})
            return result

        return handler

    return wrap
