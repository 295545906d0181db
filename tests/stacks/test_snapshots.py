"""The committed snapshots are what would be deployed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stacks.review.snapshot import DIAGRAM, README, SNAPSHOTS, differences, render, stale

Templates = Mapping[str, Mapping[str, dict[str, Any]]]


def test_snapshots_are_up_to_date(templates: Templates) -> None:
    files = render(templates)
    found = [*differences(files), *stale(files)]
    assert not found, "run `make snapshot` and review:\n" + "\n".join(found[:200])


def test_all_environments_run_the_same_machines(templates: Templates) -> None:
    definitions = [path.name for path in render(templates) if path.name.endswith(".asl.json")]
    machines = ("cleanup", "decide-spend", "guard", "workflow")
    assert sorted(definitions) == [f"{machine}.asl.json" for machine in machines]


def test_code_does_not_change_a_snapshot(templates: Templates) -> None:
    text = render(templates)[SNAPSHOTS / "dev-pipeline.template.json"]
    assert '"CODE_VERSION": "<hash>"' in text


def test_the_readme_shows_the_picture(templates: Templates, tmp_path: Path) -> None:
    start, end = "<!-- workflow: rendered by `make snapshot` -->\n", "<!-- /workflow -->\n"
    (tmp_path / README).write_text(f"before\n{start}an old picture\n{end}after\n")

    files = render(templates, tmp_path)

    picture = f"```mermaid\n{files[DIAGRAM]}```\n"
    assert files[README] == f"before\n{start}{picture}{end}after\n"
    assert picture in render(templates)[README]


def test_a_difference_is_shown_and_a_stale_file_named(tmp_path: Path) -> None:
    (tmp_path / SNAPSHOTS).mkdir(parents=True)
    (tmp_path / SNAPSHOTS / "gone.json").write_text("{}")
    (tmp_path / SNAPSHOTS / "here.json").write_text("old\n")

    files = {SNAPSHOTS / "here.json": "new\n"}
    assert {"-old", "+new"} <= {*differences(files, tmp_path)}
    assert [*stale(files, tmp_path)] == [f"{SNAPSHOTS}/gone.json is of nothing that is deployed"]
