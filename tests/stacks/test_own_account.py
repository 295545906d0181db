"""What an environment may say of its account: which it is, tags, and the boundary of its roles."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from stacks.environment import Environment
from stacks.review.templates import read, synthesise
from tests.stacks.resources import Stacks, of_type, variables

ACCOUNT = "123456789012"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/teams/edge"
TAGS = {"cost-center": "4711", "team:owner": "ml platform"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own-account")


@pytest.fixture(scope="module")
def pinned(environments: Mapping[str, Environment]) -> Environment:
    own = {"account": ACCOUNT, "permissions_boundary": BOUNDARY, "tags": TAGS}
    return environments["prod"].model_copy(update=own)


@pytest.fixture(scope="module")
def stacks(pinned: Environment, folder: Path) -> Stacks:
    return synthesise(pinned, folder)


def test_every_role_has_the_boundary(stacks: Stacks) -> None:
    roles = [role for each in stacks.values() for role in of_type(each, "AWS::IAM::Role")]
    assert len(roles) > 30
    assert {role["Properties"]["PermissionsBoundary"] for role in roles} == {BOUNDARY}


def test_a_boundary_may_be_named(environments: Mapping[str, Environment], tmp_path: Path) -> None:
    named = environments["dev"].model_copy(update={"permissions_boundary": "teams/edge"})
    for template in synthesise(named, tmp_path).values():
        for role in of_type(template, "AWS::IAM::Role"):
            assert ":policy/teams/edge" in json.dumps(role["Properties"]["PermissionsBoundary"])


def test_the_stacks_can_be_deployed_to_the_account_alone(stacks: Stacks, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    artifacts = [
        each
        for each in manifest["artifacts"].values()
        if each["type"] == "aws:cloudformation:stack"
    ]
    assert len(artifacts) == len(stacks)
    for each in artifacts:
        assert each["environment"] == f"aws://{ACCOUNT}/us-east-1"
        assert each["properties"]["tags"] == {
            **TAGS,
            "project": "bedrock-tuning",
            "bedrock-tuning:environment": "prod",
        }


def test_offline_only_the_name_of_a_boundary_is_left(pinned: Environment) -> None:
    offline = pinned.offline()
    changed = {"account": OFFLINE_ACCOUNT, "permissions_boundary": "teams/edge"}
    assert offline == pinned.model_copy(update=changed)
    assert offline.offline() == offline


def test_the_runs_are_told_the_tags(stacks: Stacks) -> None:
    assert json.loads(variables(stacks)["check_preflight"]["TAGS"]) == TAGS


def test_a_review_shows_an_account_that_is_pinned_as_any_other(
    stacks: Stacks, environments: Mapping[str, Environment], templates: Mapping[str, Stacks]
) -> None:
    region = environments["prod"].region
    before = read("prod", region, templates["prod"])
    after = read("prod", region, stacks, account=ACCOUNT)
    changed = {
        path
        for key, each in after.resources.items()
        for path, _ in {*each.fields} - {*before.resources[key].fields}
    }
    tags = {f"Environment.Variables.TAGS.{key}" for key in TAGS}
    assert changed == {"PermissionsBoundary", *tags}
