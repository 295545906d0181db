"""What a reviewer reads."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from stacks.review.markdown import LONGEST, review
from tests.stacks.review.conftest import QUOTE, find
from tests.stacks.review.test_snapshot import add_function

Side = Callable[..., dict[str, Any]]
Reviewed = Callable[[Callable[[dict[str, Any]], object]], str]


def machine_text(stacks: dict[str, Any], change: Callable[[str], str]) -> None:
    join = find(stacks, "MachineStateMachine")["Properties"]["DefinitionString"]["Fn::Join"]
    join[1] = [change(part) if isinstance(part, str) else part for part in join[1]]


def test_no_change_is_said_in_a_line(reviewed: Reviewed) -> None:
    text = reviewed(lambda _: None)
    assert "No environment changes." in text
    assert "| dev | 0 | 0 | 0 | 0 | +0 -0 | +0 -0 ~0 | $26.50 | $151.54 | $5.84 |" in text
    assert "<details>" not in text


def test_a_new_state_is_shown_with_its_neighbours(reviewed: Reviewed) -> None:
    text = reviewed(add_function)
    assert "+ Count words (Pass) → Quote cost" in text
    picture = text.partition("```mermaid\n")[2].partition("```")[0]
    assert 's_Count_words["Count words"]:::added' in picture
    assert "s_Count_words --> s_Quote_cost" in picture
    assert "classDef added fill:" in picture
    assert "s_Write_report" not in picture


def test_a_changed_state_shows_field_before_and_after(reviewed: Reviewed) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        machine_text(stacks, lambda part: part.replace("training.wait_seconds", "other"))

    text = reviewed(edit)
    changed = 'Wait for training: Seconds: "{% $training.wait_seconds %}" → "{% $other %}"'
    assert f"~ {changed}\n" in text
    assert 's_Wait_for_training["Wait for training"]:::changed' in text


def test_what_is_added_is_counted_and_its_fields_are_folded(reviewed: Reviewed) -> None:
    shown, _, folded = reviewed(add_function).partition("<details><summary>Added (4)</summary>")
    assert "| dev | 4 | " in shown
    assert "<details open><summary>IAM: granted (" in shown
    assert "<details open><summary>State machine: workflow (" in shown
    assert "\n+ Lambda Function pipeline/FunctionsCountWords\n" in folded
    assert "MemorySize: " not in shown
    assert "MemorySize: " in folded
    assert folded.endswith("</details>")


def test_a_removal_that_loses_data_is_not_folded(reviewed: Reviewed) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        resources = stacks["guards"]["Resources"]
        del resources[next(key for key in resources if key.startswith("GuardMachineLogs"))]

    text = reviewed(edit)
    assert "<details open><summary>Removed (1)</summary>" in text
    assert "GuardMachineLogs ⚠ DATA LOSS" in text


def test_what_is_removed_is_unsafe_while_an_execution_is_under_way(
    side: Side, changed: Callable[..., dict[str, Any]]
) -> None:
    text = review("title", {"dev": side(changed(add_function))}, {"dev": side()})
    assert "**Unsafe while an execution is under way**: it removes 1 state, 1 function" in text
    assert ":::removed" in text


def published_anew(stacks: dict[str, Any]) -> None:
    """Let every function have other code, and so every machine another version of it."""
    hashes = r"(?<=CurrentVersion)([0-9A-F]{8})[0-9a-f]{32}"
    text = re.sub(hashes, rf"\g<1>{'0f' * 16}", json.dumps(stacks))
    stacks |= json.loads(re.sub(r"[0-9a-f]{64}\.zip", f"{'0f' * 32}.zip", text))


def test_new_versions_of_all_functions_are_no_news(reviewed: Reviewed) -> None:
    text = reviewed(published_anew)
    assert "No environment changes." in text
    assert "Unsafe" not in text


def renamed_function(stacks: dict[str, Any]) -> None:
    find(stacks, "FunctionsNotify")["Properties"]["FunctionName"] = "other"


def role_without_permission(stacks: dict[str, Any]) -> None:
    role = find(stacks, "FunctionsReleaseHostingRole")["Properties"]
    role["Policies"][0]["PolicyDocument"]["Statement"].pop(0)


def renamed_role(stacks: dict[str, Any]) -> None:
    find(stacks, "FunctionsNotifyRole")["Properties"]["RoleName"] = "other"


def newest_version_only(stacks: dict[str, Any]) -> None:
    """Let the machine call no version but the one that is deployed with it."""
    text = json.dumps(stacks)
    every = ":function:bedrock-tuning-dev-decide-spend:"
    assert text.count(f'{every}*"') == 1
    stacks |= json.loads(text.replace(f'{every}*"', f'{every}2"'))


def renamed_machine(stacks: dict[str, Any]) -> None:
    find(stacks, "MachineStateMachine")["Properties"]["StateMachineName"] = "other"


def denial(stacks: dict[str, Any]) -> None:
    role = find(stacks, "FunctionsNotifyRole")["Properties"]
    statement = {"Effect": "Deny", "Action": "sns:Publish", "Resource": "*"}
    role["Policies"][0]["PolicyDocument"]["Statement"].append(statement)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (renamed_function, "it removes 1 function, 1 version"),
        (role_without_permission, "it removes 1 grant."),
        (renamed_role, "it removes 1 role"),
        (newest_version_only, "it removes 1 grant."),
        (renamed_machine, "it removes 67 states, 1 state machine."),
        (denial, "it denies 1 more."),
    ],
)
def test_what_a_run_under_way_may_need_is_named(
    reviewed: Reviewed, edit: Callable[[dict[str, Any]], None], says: str
) -> None:
    assert f"**Unsafe while an execution is under way**: {says}" in reviewed(edit)


def test_versions_that_nothing_keeps_are_named(
    side: Side, changed: Callable[..., dict[str, Any]]
) -> None:
    """What counts is the policy that is deployed, not the one that comes."""

    def swept(stacks: dict[str, Any]) -> None:
        for stack in stacks.values():
            for resource in stack["Resources"].values():
                if resource["Type"] == "AWS::Lambda::Version":
                    resource["DeletionPolicy"] = "Delete"

    text = review("title", {"dev": side(changed(swept))}, {"dev": side(changed(published_anew))})
    assert "**Unsafe while an execution is under way**: it removes 32 versions." in text


def test_settings_show_before_and_after(side: Side) -> None:
    after = side(settings={"spending": {"monthly_budget_usd": 600}, "new": True})
    text = review("title", {"dev": side()}, {"dev": after})
    assert "~ spending.monthly_budget_usd: 500 → 600" in text
    assert "~ new: + true" in text


def test_the_quote_shows_before_and_after(side: Side) -> None:
    dearer = {**QUOTE, "expected": 27.0, "items": {"Training": [0.52, 0.54]}}
    text = review("title", {"dev": side()}, {"dev": side(quote=dearer)})
    assert "| $26.50 → **$27.00** | $151.54 |" in text
    assert "~ Training: expected $0.02, at most $0.04 → expected $0.52, at most $0.54" in text


def test_a_side_without_a_quote_says_why(side: Side) -> None:
    text = review("title", {"dev": side(quote={"error": "PriceMissing: no"})}, {"dev": side()})
    assert "⚠ dev has no quote on the base side: PriceMissing: no" in text
    assert "| none → **$26.50** |" in text


def test_idle_cost_shows_what_is_dearer(reviewed: Reviewed) -> None:
    key = {"Type": "AWS::KMS::Key", "Properties": {}}
    text = reviewed(lambda stacks: stacks["storage"]["Resources"].update(Key0A0B0C0D=key))
    assert "$5.84 → **$6.84**" in text
    assert "~ KMS key: + 1 for $1.00" in text


def test_a_new_environment_is_summarised(side: Side) -> None:
    text = review("title", {"dev": side()}, {"dev": side(), "prod": side(name="prod")})
    assert "### prod\n\nA new environment of " in text
    assert "Lambda Function" in text
    assert "~ spending.monthly_budget_usd: + 500" in text
    assert len(text) < 3_000


def test_an_environment_that_goes_is_no_removal(side: Side) -> None:
    text = review("title", {"dev": side()}, {})
    assert "Its file is gone; nothing leaves the account before `make destroy`." in text


def test_what_environments_share_is_said_once(
    side: Side, templates: dict[str, dict[str, Any]]
) -> None:
    after = {}
    for name in ("dev", "prod"):
        stacks = copy.deepcopy(templates[name])
        find(stacks, "Topic")["Properties"]["DisplayName"] = "other"
        after[name] = side(stacks, name)
    before = {name: side(name=name) for name in after}
    text = review("title", before, after)
    assert "### dev, prod\n" in text
    assert text.count("DisplayName") == 1


def test_what_all_functions_share_is_said_once(
    side: Side, templates: dict[str, dict[str, Any]]
) -> None:
    after = {}
    for name, stacks in templates.items():
        renamed = copy.deepcopy(stacks)
        for stack in renamed.values():
            for resource in stack["Resources"].values():
                if "FunctionName" in resource["Properties"] and "Handler" in resource["Properties"]:
                    text = resource["Properties"]["Description"]
                    resource["Properties"]["Description"] = text.replace("State '", "Step '")
        assert "Step 'Notify' of " in json.dumps(renamed)  # a step of one word
        after[name] = side(renamed, name)
    text = review("title", {name: side(name=name) for name in after}, after)
    assert text.count("Step '") == 1
    assert "~ each Lambda Function: Description: " in text


def test_a_side_that_cannot_be_synthesised_is_one_line(side: Side) -> None:
    text = review("title", {"dev": {"error": "EnvironmentInvalid: no"}}, {"dev": side()})
    assert "⚠ dev cannot be synthesised on the base side: EnvironmentInvalid: no" in text
    assert len(text.splitlines()) < 5


def test_a_long_review_is_cut_where_a_comment_ends(reviewed: Reviewed) -> None:
    def edit(stacks: dict[str, Any]) -> None:
        for number in range(1_000):
            function = copy.deepcopy(find(stacks, "FunctionsNotify"))
            function["Properties"]["Description"] = f"```\n@everyone {number}"
            stacks["pipeline"]["Resources"][f"Other{number}Function0A0B0C0D"] = function

    text = reviewed(edit)
    assert LONGEST - 1_000 < len(text) <= LONGEST
    assert "</details>\n\n… cut here" in text[-200:]
    assert text.count("<details") == text.count("</details>")
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert len(fences) % 2 == 0


def test_text_of_a_template_stays_in_its_fence(reviewed: Reviewed) -> None:
    text = reviewed(
        lambda stacks: find(stacks, "Topic")["Properties"].update(DisplayName="```\n@everyone")
    )
    assert "@everyone" in text
    assert "```\\n@everyone" not in text
    assert json.dumps("` ` `\n@everyone") in text
