"""The pictures draw each way once, in the order of a run."""

import re
from typing import Any

from stacks.review.diagram import changed_states, flowchart

WAY = re.compile(r"  (\w+) (-->|-\.->)(\|\"[^\"]*\"\|)? (\w+)")


def test_the_whole_machine_is_drawn_soundly(workflow: dict[str, Any]) -> None:
    lines = flowchart(workflow).splitlines()
    nodes = {
        line.strip().removeprefix("subgraph ").partition("[")[0] for line in lines if "[" in line
    }
    ways = [line for line in lines if "->" in line]
    found = [WAY.fullmatch(line) for line in ways]
    assert all(found)
    assert len(ways) == len({*ways})
    assert {end for each in found if each for end in (each[1], each[4])} <= nodes
    assert sum(line.strip().startswith("subgraph") for line in lines) == lines.count("  end")


def test_the_common_error_is_one_dashed_edge(workflow: dict[str, Any]) -> None:
    lines = flowchart(workflow).splitlines()
    dashed = [line.strip() for line in lines if "-.->" in line]
    assert "any_other -.-> s_Notify_failure" in dashed
    assert sum("s_Notify_failure" in line for line in dashed) == 1
    assert 5 < len(dashed) < 16


def test_states_come_in_the_order_of_a_run(workflow: dict[str, Any]) -> None:
    picture = flowchart(workflow)
    states = ["Check preflight", "Quote cost", "Start training", "Buy throughput", "Judge answers"]
    places = [picture.index(f'["{name}"]') for name in states]
    assert places == sorted(places)


def test_a_label_cannot_end_its_quotes() -> None:
    machine = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Choice",
                "Choices": [{"Condition": '{% $x = "<b>" %}', "Next": "B"}],
                "Default": "B",
            },
            "B": {"Type": "Succeed"},
        },
    }
    assert 's_A -->|"x = #quot;#lt;b#gt;#quot;"| s_B' in flowchart(machine)
    assert 's_B["B"]:::added' in changed_states({}, machine, {"B": "added"})


def test_a_way_that_is_gone_says_so() -> None:
    end = {"Type": "Succeed"}
    before = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": end}}
    after = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "C"}, "C": end}}
    picture = changed_states(before, after, {"A": "changed", "B": "removed", "C": "added"})
    assert 's_A -->|"(removed)"| s_B\n' in picture
    assert "s_A --> s_C\n" in picture
