"""The clean-up machine changes nothing that it was not told to, and says what is left."""

from typing import Any

import pytest

from tests.stacks.asl import END, Graph, evaluate

Machine = dict[str, Any]


@pytest.fixture
def cleanup(machines: dict[str, Machine]) -> Machine:
    return machines["cleanup"]


def item(name: str, *, delete: bool) -> dict[str, object]:
    return {"kind": "custom-model", "name": name, "delete": delete}


def test_deletion_is_behind_the_question(cleanup: Machine) -> None:
    graph = Graph(cleanup)
    unasked = graph.reach(graph.start, past=lambda name: name == "Anything to delete?")
    assert "Delete resources" not in unasked
    assert cleanup["States"]["Anything to delete?"]["Default"] == "Planned"


def test_nothing_is_deleted_unless_asked_and_named(cleanup: Machine) -> None:
    (choice,) = cleanup["States"]["Anything to delete?"]["Choices"]
    assert choice["Next"] == "Delete resources"
    deletes = {
        (mode, deletions): evaluate(
            choice["Condition"], plan={"mode": mode, "deletions": deletions}
        )
        for mode in ("plan", "delete")
        for deletions in (0, 1)
    }
    assert [each for each, yes in deletes.items() if yes] == [("delete", 1)]


def test_what_is_left_is_listed_whatever_became_of_the_deletion(cleanup: Machine) -> None:
    graph = Graph(cleanup)
    assert graph.follow("Delete resources") == {"List what is left"}
    again = cleanup["States"]["List what is left"]["Arguments"]["Payload"]
    assert again["input"] == {"mode": "plan"}


def test_a_failed_deletion_fails_the_execution(cleanup: Machine) -> None:
    (choice,) = cleanup["States"]["All deleted?"]["Choices"]
    assert choice["Next"] == "Clean-up failed"
    assert Graph(cleanup).follow("Clean-up failed") == {END}
    whole = {"problems": ""}
    assert evaluate(choice["Condition"], failure={"state": "Delete resources"}, plan=whole)
    assert evaluate(choice["Condition"], failure=None, plan={"problems": "list of jobs: denied"})
    assert not evaluate(choice["Condition"], failure=None, plan=whole)


@pytest.mark.parametrize("left", [[], ["kept"], ["kept", "also kept"]])
def test_the_result_lists_what_went_and_what_stays(cleanup: Machine, left: list[str]) -> None:
    output = cleanup["States"]["Deleted"]["Output"]
    stays = [item(name, delete=False) for name in left]
    plan = {"items": [item("gone", delete=True), *stays]}
    said = {
        key: evaluate(each, plan=plan, left={"items": stays, "summary": "a table"})
        for key, each in output.items()
    }
    assert said == {"deleted": ["gone"], "left": stays, "summary": "a table"}


def test_the_cause_says_what_failed_and_what_is_still_there(cleanup: Machine) -> None:
    cause = cleanup["States"]["Clean-up failed"]["Cause"]
    failure = {"state": "Delete resources", "cause": "refused"}
    whole, left = {"problems": ""}, {"summary": "1 throughput"}
    said = evaluate(cause, failure=failure, plan=whole, left=left)
    assert said == "Delete resources: refused\n\nStill there:\n1 throughput"
    assert evaluate(cause, failure=failure, plan=None, left=None) == "Delete resources: refused"
    unseen = evaluate(cause, failure=None, plan={"problems": "list of jobs: denied"}, left=None)
    assert unseen == " Could not be looked at: list of jobs: denied"
