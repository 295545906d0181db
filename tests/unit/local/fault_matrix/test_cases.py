"""The cases that are made of the calls which the runs were seen to make, and their rules."""

import pytest

from local.call_faults import KINDS, Call
from local.fault_matrix.cases import AFTER_EFFECT, NAMES, Case, call_cases, together_cases
from local.fault_matrix.results import CaseResult

CREATE = Call(NAMES.of("create-deployment"), "bedrock", "CreateCustomModelDeployment")
GET = Call(NAMES.of("check-deployment"), "bedrock", "GetCustomModelDeployment")


def test_every_call_takes_part_with_every_kind_and_one_that_spends_with_more() -> None:
    def kinds(call: Call) -> list[str]:
        return [case.faults[0].kind for case in call_cases([call, call])]

    assert kinds(GET) == [*KINDS]
    assert kinds(CREATE) == [*KINDS, *AFTER_EFFECT]


def test_what_spends_hits_two_runs_at_once_in_the_function_that_calls_it() -> None:
    faults = [fault for case in together_cases([GET, CREATE, CREATE]) for fault in case.faults]
    assert {(fault.operation, fault.function) for fault in faults} == {
        ("CreateCustomModelDeployment", "create-deployment")
    }
    assert [fault.kind for fault in faults] == ["throttle", "lost_answer", "function_killed"]


@pytest.mark.parametrize(
    ("executions", "created", "breaches"), [(1, 1, []), (2, 2, []), (1, 2, ["deployed 2 times"])]
)
def test_a_run_creates_one_deployment_at_the_most(
    executions: int, created: int, breaches: list[str]
) -> None:
    result = CaseResult(Case("run", "alone", executions=executions), deployments_created=created)
    result.judge()
    assert result.breaches == breaches
