"""The machine by which a person approves or rejects the quote of a waiting run.

Who may decide is who may start it: `states:StartExecution` on this machine and nothing else.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.access import Access
from stacks.constructs.machine import Machine
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.task import EXECUTION, INPUT, failure, invoke

_TIMEOUT = Duration.minutes(30)


class DecideSpend(Construct):
    """One task; its answer, or why the decision was refused, is the result of the execution."""

    def __init__(
        self, stack: EnvironmentStack, access: Access, decide_spend: lambda_.Function
    ) -> None:
        super().__init__(stack, "DecideSpend")
        refused = sfn.Fail.jsonata(
            self, "Decision refused", error="{% $failure.error %}", cause="{% $failure.cause %}"
        )
        decide = invoke(
            self, "Decide spend", decide_spend, {"input": INPUT, "execution": EXECUTION}
        )
        decide.add_catch(
            refused, errors=["States.ALL"], assign={"failure": failure("Decide spend")}
        )
        self.machine = Machine(
            self,
            access=access,
            name=stack.names.of("decide-spend"),
            start=decide,
            functions=[decide_spend],
            timeout=_TIMEOUT,
        ).machine
