"""*Stop run*: the guard outside the state machine, called when an execution ends abnormally."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambdas.aws.customization_jobs import CustomizationJobs
from lambdas.aws.executions import Executions
from lambdas.aws.hosting import release
from lambdas.domain.errors import to_raise
from lambdas.domain.run.contracts import Release, Stopped, StopRunRequest, TrainingStop
from lambdas.domain.run.execution_status import is_under_way
from lambdas.domain.run.names import names_of
from lambdas.domain.run.variables import EnvironmentVariables
from lambdas.runtime.step import logger, step, variables_of

ResultT = TypeVar("ResultT")


def stop_run(request: StopRunRequest) -> Stopped:
    """Stop the execution's job and release its hosting, each even if the other fails.

    Of an execution that is under way again (it was redriven, its name was used again, the event
    came late) nothing is ended: where that cannot be asked, the error is raised, and the reaper
    ends what is nobody's.

    If either fails, its error is raised so that the guard retries; a transient one if there is one,
    because those are retried longest.
    """
    execution = request.execution
    nothing_released = Release(found=False, hosting_arn=None, billed_minutes=None, at=request.now)
    status = Executions().status(execution.arn)
    if is_under_way(status):
        return _stopped(status, _NOTHING_STOPPED, nothing_released)
    environment = variables_of(EnvironmentVariables).environment
    names = names_of(environment, execution.name, execution.arn)
    errors: list[Exception] = []
    # What bills goes first.
    released = _attempt(errors, lambda: release(names.hosting, request.now), nothing_released)
    stopped = _attempt(
        errors, lambda: CustomizationJobs().stop_by_name(names.job), _NOTHING_STOPPED
    )
    if errors:
        raise to_raise(errors)
    return _stopped(status, stopped, released)


_NOTHING_STOPPED = TrainingStop(stopped=False, status=None)


def _stopped(status: str, job: TrainingStop, released: Release) -> Stopped:
    return Stopped(
        execution_status=status,
        under_way=is_under_way(status),
        job_stopped=job.stopped,
        job_status=job.status,
        release=released,
    )


def _attempt(errors: list[Exception], act: Callable[[], ResultT], otherwise: ResultT) -> ResultT:
    try:
        return act()
    except Exception as error:  # noqa: BLE001  # raised again once both were tried
        logger.exception("left behind; the next invocation tries again")
        errors.append(error)
        return otherwise


handler = step("Stop run", StopRunRequest)(stop_run)
