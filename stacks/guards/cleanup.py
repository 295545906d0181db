"""The clean-up machine: lists what the environment has on Bedrock, and deletes what it is given.

A person starts it: `{}` changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.access import Access
from stacks.constructs.machine import Machine
from stacks.constructs.retries import UNTIL_DELETED
from stacks.constructs.stack import EnvironmentStack
from stacks.constructs.task import INPUT, NOTHING, RESULT, failure, invoke

_TIMEOUT = Duration.hours(2)
_FAILED = "$type($failure) = 'object'"
# What was to be listed and could not: then not all is deleted, whatever was.
_PROBLEMS = "($type($plan) = 'object' ? $plan.problems : '')"
_STEPS = ("List resources", "Delete resources")


class Cleanup(Construct):
    """List → delete, until all is gone or it has taken an hour → list what is left."""

    def __init__(
        self, stack: EnvironmentStack, access: Access, functions: Mapping[str, lambda_.Function]
    ) -> None:
        super().__init__(stack, "Cleanup")
        self._functions = functions
        self.machine = Machine(
            self,
            access=access,
            name=stack.names.of("cleanup"),
            start=self._states(),
            functions=[functions[name] for name in _STEPS],
            timeout=_TIMEOUT,
        ).machine

    def _states(self) -> sfn.IChainable:
        fail = self._failed()
        nothing = dict.fromkeys(("failure", "left"), NOTHING)
        listed = self._list("List resources", INPUT, assign={"plan": RESULT, **nothing})
        listed.add_catch(
            fail,
            errors=["States.ALL"],
            assign={"plan": NOTHING, "left": NOTHING, "failure": failure("List resources")},
        )
        left = self._list("List what is left", {"mode": "plan"}, assign={"left": RESULT})
        left.add_catch(
            fail, errors=["States.ALL"], assign={"failure": failure("List what is left")}
        )
        left.next(self._all_deleted(fail))
        asked = sfn.Condition.jsonata("{% $plan.mode = 'delete' and $plan.deletions > 0 %}")
        choice = sfn.Choice.jsonata(self, "Anything to delete?")
        planned = sfn.Succeed.jsonata(self, "Planned", outputs="{% $plan %}")
        return listed.next(choice.when(asked, self._delete(left)).otherwise(planned))

    def _list(self, name: str, given: object, *, assign: Mapping[str, object]) -> sfn.TaskStateBase:
        function = self._functions["List resources"]
        return invoke(self, name, function, {"input": given}, assign=assign)

    def _delete(self, then: sfn.IChainable) -> sfn.TaskStateBase:
        delete = invoke(
            self,
            "Delete resources",
            self._functions["Delete resources"],
            {"plan": "{% $plan %}"},
            retries=UNTIL_DELETED,
        )
        # What could not be deleted is listed, whatever the reason.
        delete.add_catch(
            then, errors=["States.ALL"], assign={"failure": failure("Delete resources")}
        )
        delete.next(then)
        return delete

    def _all_deleted(self, fail: sfn.Fail) -> sfn.Choice:
        result = {
            "deleted": "{% $plan.items[delete].name[] %}",
            "left": "{% $left.items %}",
            "summary": "{% $left.summary %}",
        }
        succeeded = sfn.Succeed.jsonata(self, "Deleted", outputs=result)
        failed = sfn.Condition.jsonata(f"{{% {_FAILED} or {_PROBLEMS} != '' %}}")
        return sfn.Choice.jsonata(self, "All deleted?").when(failed, fail).otherwise(succeeded)

    def _failed(self) -> sfn.Fail:
        # One text for what was tried in vain and what could not be looked at.
        why = f"({_FAILED} ? $failure.state & ': ' & $failure.cause : '')"
        unknown = f"({_PROBLEMS} != '' ? ' Could not be looked at: ' & {_PROBLEMS} : '')"
        # JSONata's own escapes: a line break within a text is left to the parser.
        left = r"($type($left) = 'object' ? '\n\nStill there:\n' & $left.summary : '')"
        return sfn.Fail.jsonata(
            self,
            "Clean-up failed",
            error=f"{{% {_FAILED} ? $failure.error : 'LeftBehind' %}}",
            cause=f"{{% {why} & {unknown} & {left} %}}",
        )
