"""The machine that decides on a quote."""

from stacks.environment import Environment
from tests.stacks.resources import Stacks, named, plain, variables


def test_the_mail_names_the_machine_that_decides(environment: Environment, stacks: Stacks) -> None:
    arn = variables(stacks)["approve_spend"]["DECIDE_MACHINE_ARN"]
    name = f"bedrock-tuning-{environment.name}-decide-spend"
    assert plain(arn).endswith(f":<account>:stateMachine:{name}")
    assert name in named(stacks, "AWS::StepFunctions::StateMachine")
