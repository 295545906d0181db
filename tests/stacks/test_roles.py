"""What each role may do, literally: a grant that grows shows up here."""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.run.arns import OFFLINE_ACCOUNT
from stacks.constructs.step import Step
from stacks.environment import Environment
from tests.stacks.asl import Graph, definitions

Resources = Mapping[str, dict[str, Any]]
Statement = dict[str, Any]

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACES = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}
READ = {"s3:GetObject", "s3:ListBucket"}
WRITE = {"s3:PutObject"}
FIND_JOB = {"bedrock:GetModelCustomizationJob", "bedrock:ListModelCustomizationJobs"}
STOP_JOB = FIND_JOB | {"bedrock:StopModelCustomizationJob"}
FIND_THROUGHPUT = {
    "bedrock:GetProvisionedModelThroughput",
    "bedrock:ListProvisionedModelThroughputs",
}
FIND_DEPLOYMENT = {"bedrock:GetCustomModelDeployment", "bedrock:ListCustomModelDeployments"}
FIND_HOSTING = FIND_THROUGHPUT | FIND_DEPLOYMENT
GET_HOSTING = {"bedrock:GetCustomModelDeployment", "bedrock:GetProvisionedModelThroughput"}
DELETE_HOSTING = {
    "bedrock:DeleteCustomModelDeployment",
    "bedrock:DeleteProvisionedModelThroughput",
}
RELEASE = FIND_HOSTING | DELETE_HOSTING
INVOKE = {"bedrock:InvokeModel"}
DECIDE = {"states:SendTaskSuccess"}
READ_HISTORY = {"states:GetExecutionHistory"}
LOOK_AT_EXECUTION = {"states:DescribeExecution"}
MAIL = {"sns:Publish"}
LIST_RUNNING = {"states:ListExecutions"}
LIST = {
    "bedrock:ListCustomModelDeployments",
    "bedrock:ListModelCustomizationJobs",
    "bedrock:ListProvisionedModelThroughputs",
    "bedrock:ListTagsForResource",
}
LIST_MODELS = {"bedrock:ListCustomModels"}
END_WHAT_BILLS = DELETE_HOSTING | {"bedrock:StopModelCustomizationJob"}
ENDING = {
    "bedrock:DeleteCustomModel": "custom-model",
    "bedrock:DeleteCustomModelDeployment": "custom-model-deployment",
    "bedrock:DeleteProvisionedModelThroughput": "provisioned-model",
    "bedrock:StopModelCustomizationJob": "model-customization-job",
}

ACTIONS = {
    "Check preflight": FIND_JOB
    | INVOKE
    | LIST_MODELS
    | {
        "s3:ListBucket",
        "bedrock:GetCustomModel",
        "bedrock:ListTagsForResource",
        "bedrock:GetFoundationModel",
        "bedrock:GetFoundationModelAvailability",
        "bedrock:ListCustomModelDeployments",
        "bedrock:ListProvisionedModelThroughputs",
        "servicequotas:ListServiceQuotas",
    },
    "Validate dataset": READ | WRITE,
    "Screen dataset": READ | WRITE,
    "Plan review": READ | WRITE,
    "Review records": READ | WRITE | INVOKE,
    "Summarise review": READ | WRITE,
    "Start training": FIND_JOB
    | READ
    | WRITE
    | {"bedrock:CreateModelCustomizationJob", "bedrock:TagResource", "iam:PassRole"},
    "Check training": STOP_JOB,
    "Stop training": STOP_JOB,
    "Read loss curves": READ | WRITE,
    "Answer with base model": READ | WRITE | INVOKE,
    "Buy throughput": FIND_THROUGHPUT
    | WRITE
    | {"bedrock:CreateProvisionedModelThroughput", "bedrock:TagResource"},
    "Check throughput": FIND_THROUGHPUT,
    "Create deployment": FIND_DEPLOYMENT
    | {"bedrock:CreateCustomModelDeployment", "bedrock:TagResource"},
    "Check deployment": FIND_DEPLOYMENT,
    "Answer with tuned model": READ | WRITE | INVOKE | GET_HOSTING,
    "Announce hold": MAIL,
    "Release hosting": RELEASE | WRITE,
    "Judge answers": READ | WRITE | INVOKE,
    "Decide verdict": READ | WRITE,
    "Write report": READ | WRITE,
    "Quote cost": WRITE,
    "Approve spend": READ | WRITE | MAIL,
    "Confirm decision": LOOK_AT_EXECUTION,
    "Decide spend": READ | DECIDE | LOOK_AT_EXECUTION | READ_HISTORY,
    "Notify": READ | WRITE | MAIL,
    "Meter stopped run": READ | WRITE | MAIL,
    "Stop run": LOOK_AT_EXECUTION | STOP_JOB | RELEASE,
    "Reap leftovers": LIST_RUNNING | LOOK_AT_EXECUTION | LIST | END_WHAT_BILLS | MAIL,
    "List resources": LIST_RUNNING | LOOK_AT_EXECUTION | LIST | LIST_MODELS,
    "Delete resources": LIST | LIST_MODELS | END_WHAT_BILLS | {"bedrock:DeleteCustomModel"},
    "Inspect purchase": MAIL,
}
BILLING = {
    "runs/*/billing/*",
    "runs/*/cost.json",
    "runs/*/losses.json",
    "runs/*/quote.json",
    "runs/*/released.json",
    "runs/*/review.json",
    "runs/*/screening.json",
    "runs/*/told.json",
}
# Every wildcard in a role's resources: the bucket's keys, Bedrock's kinds, executions, and "*".
WILDCARDS = {
    "BedrockServiceRole": {"runs/*/dataset/*", "runs/*/training/*"},
    "Check preflight": {"*", "custom-model/*", "model-customization-job/*"},
    "Validate dataset": {
        "datasets/*",
        "runs/*/dataset/*",
        "runs/*/quote.json",
        "runs/*/validation.json",
    },
    "Screen dataset": {
        "runs/*/billing/personal-data.json",
        "runs/*/dataset/*",
        "runs/*/screening.json",
        "runs/*/screening/*",
    },
    "Plan review": {
        "runs/*/billing/review-of-the-training-data.json",
        "runs/*/dataset/training.jsonl",
        "runs/*/review/items.jsonl",
    },
    "Review records": {"runs/*/review/batches/*"},
    "Summarise review": {"runs/*/review.json", "runs/*/review/*", "runs/*/review/rows.jsonl"},
    "Start training": {
        "*",
        "custom-model/*",
        "model-customization-job/*",
        "runs/*/billing/training.json",
        "runs/*/dataset/*",
    },
    "Check training": {"*", "model-customization-job/*"},
    "Stop training": {"*", "model-customization-job/*"},
    "Read loss curves": {"runs/*/losses.*", "runs/*/training/*"},
    "Answer with base model": {
        "runs/*/answers-base/*",
        "runs/*/billing/answers-of-the-base-model.json",
        "runs/*/dataset/evaluation.jsonl",
    },
    "Buy throughput": {
        "*",
        "custom-model/*",
        "provisioned-model/*",
        "runs/*/billing/provisioned-throughput.json",
    },
    "Check throughput": {"*", "provisioned-model/*"},
    "Create deployment": {"*", "custom-model-deployment/*", "custom-model/*"},
    "Check deployment": {"*", "custom-model-deployment/*"},
    "Answer with tuned model": {
        "custom-model-deployment/*",
        "provisioned-model/*",
        "runs/*/answers-tuned/*",
        "runs/*/billing/answers-of-the-tuned-model.json",
        "runs/*/dataset/evaluation.jsonl",
    },
    "Release hosting": {
        "*",
        "custom-model-deployment/*",
        "provisioned-model/*",
        "runs/*/released.json",
    },
    "Judge answers": {
        "runs/*/answers-*",
        "runs/*/billing/judgements.json",
        "runs/*/judgements/*",
    },
    "Decide verdict": {
        "runs/*/answers-*",
        "runs/*/judgements/*",
        "runs/*/results/*",
        "runs/*/validation.json",
        "runs/*/verdict.json",
    },
    "Write report": {
        "runs/*/cost.json",
        "runs/*/losses.svg",
        "runs/*/manifest.json",
        "runs/*/quote.json",
        "runs/*/report.html",
        "runs/*/results/*",
        "runs/*/review.json",
        "runs/*/training/*",
        "runs/*/verdict.json",
    },
    "Notify": BILLING,
    "Meter stopped run": BILLING,
    "Quote cost": {"runs/*/quote.json"},
    "Approve spend": {"approvals/*/request.json", "runs/*/dataset/*"},
    "Confirm decision": {"execution-decide-spend:*"},
    "Decide spend": {"approvals/*", "execution-decide-spend:*", "execution:*"},
    "MachineRole": {"*", "execution/ReviewData:*", "execution:*", "runs/*/review/*"},
    "DecideSpendMachineRole": {"*"},
    "Stop run": {
        "*",
        "custom-model-deployment/*",
        "execution:*",
        "model-customization-job/*",
        "provisioned-model/*",
    },
    "Reap leftovers": {
        "*",
        "custom-model-deployment/*",
        "execution:*",
        "model-customization-job/*",
        "provisioned-model/*",
    },
    "List resources": {
        "*",
        "custom-model-deployment/*",
        "custom-model/*",
        "execution:*",
        "model-customization-job/*",
        "provisioned-model/*",
    },
    "Delete resources": {
        "*",
        "custom-model-deployment/*",
        "custom-model/*",
        "model-customization-job/*",
        "provisioned-model/*",
    },
    "GuardMachineRole": {"*"},
    "CleanupMachineRole": {"*"},
}
USE_KEY = {"kms:Decrypt", "kms:GenerateDataKey"}
MAKE_GRANTS = USE_KEY | {"kms:CreateGrant", "kms:DescribeKey"}
KEY_ACTIONS = {
    "Validate dataset": USE_KEY,
    "Screen dataset": USE_KEY,
    "Plan review": USE_KEY,
    "Review records": USE_KEY,
    "Summarise review": USE_KEY,
    "Start training": MAKE_GRANTS,
    "Read loss curves": USE_KEY,
    "Answer with base model": USE_KEY,
    "Buy throughput": USE_KEY,
    "Create deployment": USE_KEY,
    "Announce hold": USE_KEY,
    "Answer with tuned model": USE_KEY,
    "Release hosting": USE_KEY,
    "Judge answers": USE_KEY,
    "Decide verdict": USE_KEY,
    "Write report": USE_KEY,
    "Quote cost": USE_KEY,
    "Approve spend": USE_KEY,
    "Decide spend": USE_KEY,
    "Notify": USE_KEY,
    "Meter stopped run": USE_KEY,
    "Reap leftovers": USE_KEY,
    "Inspect purchase": USE_KEY,
}
# Which roles may do what money or a run's fate depends on.
HOLDERS = {
    "bedrock:CreateModelCustomizationJob": {"Start training"},
    "bedrock:CreateCustomModelDeployment": {"Create deployment"},
    "bedrock:CreateProvisionedModelThroughput": {"Buy throughput"},
    "bedrock:DeleteCustomModel": {"Delete resources"},
    "bedrock:DeleteCustomModelDeployment": {
        "Release hosting",
        "Stop run",
        "Reap leftovers",
        "Delete resources",
    },
    "bedrock:DeleteProvisionedModelThroughput": {
        "Release hosting",
        "Stop run",
        "Reap leftovers",
        "Delete resources",
    },
    "bedrock:StopModelCustomizationJob": {
        "Check training",
        "Stop training",
        "Stop run",
        "Reap leftovers",
        "Delete resources",
    },
    # Without it, Step Functions does not redrive the children of a map.
    "states:RedriveExecution": set(),
    "states:SendTaskSuccess": {"Decide spend"},
}


@pytest.fixture
def resources(stacks: Mapping[str, dict[str, Any]]) -> Resources:
    """Return those of the two stacks with functions; what both have are the layers."""
    pipeline, guards = (stacks[name]["Resources"] for name in ("pipeline", "guards"))
    both = {pipeline[name]["Type"] for name in {*pipeline} & {*guards}}
    assert both == {"AWS::Lambda::LayerVersion"}
    return {**pipeline, **guards}


def roles(resources: Resources) -> dict[str, dict[str, Any]]:
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::IAM::Role"
    }


def role(resources: Resources, prefix: str) -> dict[str, Any]:
    found = [
        each
        for name, each in roles(resources).items()
        if re.fullmatch(prefix + r"[0-9A-F]{8}", name)
    ]
    assert len(found) == 1, prefix
    return found[0]


def statements(role: Mapping[str, Any]) -> Iterator[Statement]:
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(role: Mapping[str, Any]) -> set[str]:
    return {action for each in statements(role) for action in listed(each["Action"])}


def allowing(resources: Resources, action: str) -> list[Statement]:
    return [
        each
        for one in roles(resources).values()
        for each in statements(one)
        if action in listed(each["Action"])
    ]


def text(value: object) -> str:
    """Return an ARN as one text, whatever it is joined of."""
    unpinned = json.dumps(value).replace(OFFLINE_ACCOUNT, "<AWS::AccountId>")
    plain = re.sub(r'\{"Ref": "([^"]*)"\}', r'"<\1>"', unpinned)
    return re.sub(r'\{"Fn::Join": \["", \[(.*?)\]\]\}', lambda m: _joined(m[1]), plain)


def _joined(parts: str) -> str:
    return '"' + "".join(json.loads(f"[{parts}]")) + '"'


def test_each_function_may_do_exactly_this(
    environment: Environment, resources: Resources, steps: Iterable[Step]
) -> None:
    traces = TRACES if environment.functions.tracing else set()
    keyed = environment.storage.encryption == "kms"
    for step in steps:
        allowed = actions(role(resources, f"Functions{step.id}Role"))
        key = KEY_ACTIONS.get(step.name, set()) if keyed else set()
        assert allowed == ACTIONS[step.name] | LOGS | traces | key, step.name


def test_each_function_has_a_role_of_its_own(resources: Resources, steps: Sequence[Step]) -> None:
    used = [
        each["Properties"]["Role"]["Fn::GetAtt"][0]
        for each in resources.values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    assert len(used) == len({*used}) == len(steps)


def test_no_role_has_a_managed_policy_or_a_wildcard_action(resources: Resources) -> None:
    for name, each in roles(resources).items():
        assert "ManagedPolicyArns" not in each, name
        assert not any("*" in action for action in actions(each)), name


def test_policies_stand_in_roles_only(resources: Resources) -> None:
    assert "AWS::IAM::Policy" not in {each["Type"] for each in resources.values()}


def test_functions_write_to_their_own_log_only(resources: Resources, steps: Iterable[Step]) -> None:
    for step in steps:
        function = role(resources, f"Functions{step.id}Role")
        for each in statements(function):
            if "logs:PutLogEvents" in each["Action"]:
                assert each["Resource"]["Fn::GetAtt"][0].startswith(f"Functions{step.id}Logs")


def test_every_wildcard_is_one_of_these(
    environment: Environment, resources: Resources, steps: Iterable[Step]
) -> None:
    traces = {"*"} if environment.functions.tracing else set[str]()
    expected = {f"Functions{step.id}Role": WILDCARDS.get(step.name, set()) for step in steps}
    expected |= {name: found for name, found in WILDCARDS.items() if name.endswith("Role")}
    assert {name[:-8] for name in roles(resources)} == {*expected, "GuardStartRole"}
    for name, known in expected.items():
        more = traces if name.startswith("Functions") else set()
        assert wildcards(environment, role(resources, name)) == known | more, name


def wildcards(environment: Environment, role: Mapping[str, Any]) -> set[str]:
    own = f"bedrock-tuning-{environment.name}"
    account = f"{environment.region}:<AWS::AccountId>"
    prefixes = {
        f"arn:aws:s3:::{own}-<AWS::AccountId>-{environment.region}/": "",
        f"arn:aws:bedrock:{account}:": "",
        f"arn:aws:states:{account}:execution:{own}": "execution",
    }
    found = {text(arn).strip('"') for each in statements(role) for arn in listed(each["Resource"])}
    for prefix, short in prefixes.items():
        found = {arn.replace(prefix, short) for arn in found}
    # Of functions, `test_machines_invoke_exactly_what_they_name` has them.
    return {arn for arn in found if "*" in arn and ":function:" not in arn}


def test_only_bedrocks_role_is_passed_and_only_to_bedrock(resources: Resources) -> None:
    (passing,) = allowing(resources, "iam:PassRole")
    assert passing["Resource"]["Fn::GetAtt"][0].startswith("BedrockServiceRole")
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}
    }


def test_bedrock_is_trusted_for_own_jobs_only(
    environment: Environment, resources: Resources
) -> None:
    (trust,) = role(resources, "BedrockServiceRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "bedrock.amazonaws.com"}
    jobs = f"arn:aws:bedrock:{environment.region}:<AWS::AccountId>:model-customization-job/*"
    assert json.loads(text(trust["Condition"])) == {
        "StringEquals": {"aws:SourceAccount": "<AWS::AccountId>"},
        "ArnEquals": {"aws:SourceArn": jobs},
    }


def test_bedrock_reads_the_runs_copies_and_writes_training_only(resources: Resources) -> None:
    service = role(resources, "BedrockServiceRole")
    objects = {
        action: {text(each).rpartition("-")[2].split("/", 1)[1] for each in listed(one["Resource"])}
        for one in statements(service)
        for action in listed(one["Action"])
        if action in {"s3:GetObject", "s3:PutObject"}
    }
    assert objects == {
        "s3:GetObject": {'runs/*/dataset/*"', 'runs/*/training/*"'},
        "s3:PutObject": {'runs/*/training/*"'},
    }


def test_only_the_state_that_freezes_it_reads_what_people_upload(
    resources: Resources, steps: Iterable[Step]
) -> None:
    names = {step.id: step.name for step in steps}
    found = {
        action: {
            names.get(re.sub("^Functions|Role[0-9A-F]{8}$", "", name), name)
            for name, one in roles(resources).items()
            for each in statements(one)
            if "datasets/" in json.dumps(each) and action in listed(each["Action"])
        }
        for action in ("s3:GetObject", "s3:ListBucket")
    }
    assert found == {
        "s3:GetObject": {"Validate dataset"},
        "s3:ListBucket": {"Check preflight", "Validate dataset"},
    }


def test_listing_is_limited_by_prefix(resources: Resources) -> None:
    for each in allowing(resources, "s3:ListBucket"):
        prefixes = each["Condition"]["StringLike"]["s3:prefix"]
        assert all(
            one.startswith(("datasets/", "runs/*/", "approvals/")) for one in listed(prefixes)
        )


@pytest.mark.parametrize("action", HOLDERS)
def test_who_may_buy_end_or_approve(
    resources: Resources, steps: Iterable[Step], action: str
) -> None:
    assert {
        step.name for step in steps if action in actions(role(resources, f"Functions{step.id}Role"))
    } == HOLDERS[action]
    assert len(allowing(resources, action)) == len(HOLDERS[action]), "another role may too"


def test_no_other_role_creates_or_deletes_on_bedrock(resources: Resources) -> None:
    found = {action for one in roles(resources).values() for action in actions(one)}
    assert {
        each for each in found if re.match("bedrock:(Create|Delete|Stop|Put|Update|Register)", each)
    } == {each for each in HOLDERS if each.startswith("bedrock:")}


@pytest.mark.parametrize("action", ENDING)
def test_what_another_environment_tagged_cannot_be_ended(
    environment: Environment, resources: Resources, action: str
) -> None:
    """What is gone has no tags and must answer "not found"; what lost them still bills."""
    tag = {"aws:ResourceTag/bedrock-tuning:environment": environment.name}
    own = f"arn:aws:bedrock:{environment.region}:<AWS::AccountId>"
    ending = allowing(resources, action)
    assert ending
    for each in ending:
        assert listed(each["Action"]) == [action]
        assert each["Condition"] == {"StringEqualsIfExists": tag}
        assert text(each["Resource"]).strip('"') == f"{own}:{ENDING[action]}/*"


@pytest.mark.parametrize(
    "action",
    [
        "bedrock:CreateModelCustomizationJob",
        "bedrock:CreateProvisionedModelThroughput",
        "bedrock:TagResource",
    ],
)
def test_what_is_made_carries_this_environments_tag_and_no_other_is_tagged(
    environment: Environment, resources: Resources, action: str
) -> None:
    tag = "bedrock-tuning:environment"
    making = allowing(resources, action)
    assert making
    for each in making:
        assert each["Condition"] == {
            "StringEquals": {f"aws:RequestTag/{tag}": environment.name},
            "StringEqualsIfExists": {f"aws:ResourceTag/{tag}": environment.name},
        }


def test_decisions_reach_this_machine_only(environment: Environment, resources: Resources) -> None:
    machine = f"arn:aws:states:{environment.region}:<AWS::AccountId>:stateMachine"
    for each in allowing(resources, "states:SendTaskSuccess"):
        assert {*listed(each["Action"])} == DECIDE
        assert text(each["Resource"]) == f'"{machine}:bedrock-tuning-{environment.name}"'


def test_executions_of_this_machine_only_are_looked_at(
    environment: Environment, resources: Resources
) -> None:
    machine = f"{states_arn(environment)}:execution:bedrock-tuning-{environment.name}"
    children = f"{machine}/ReviewData:*"
    decisions = f"{machine}-decide-spend:*"
    for each in allowing(resources, "states:DescribeExecution"):
        arns = {text(one).strip('"') for one in listed(each["Resource"])}
        assert arns in ({f"{machine}:*"}, {f"{machine}:*", children}, {decisions})
    for each in allowing(resources, "states:GetExecutionHistory"):
        assert text(each["Resource"]).strip('"') == f"{machine}:*"


def states_arn(environment: Environment) -> str:
    return f"arn:aws:states:{environment.region}:<AWS::AccountId>"


def test_nothing_starts_an_execution_but_the_guards_rule_and_the_machine_itself(
    environment: Environment, resources: Resources
) -> None:
    """Who may decide on a quote, or delete, is who may start that machine: a person."""
    found = allowing(resources, "states:StartExecution")
    guard, review = [*statements(role(resources, "GuardStartRole"))], machine_role(resources)
    (by_rule,) = (each for each in found if each in guard)
    (by_machine,) = (each for each in found if each in [*statements(review)])
    assert len(found) == 2
    assert by_rule["Resource"]["Ref"].startswith("GuardMachine")
    own = f"{states_arn(environment)}:stateMachine:bedrock-tuning-{environment.name}"
    assert text(by_machine["Resource"]) == f'"{own}"', "a Distributed Map's children"


def machine_role(resources: Resources) -> dict[str, Any]:
    return role(resources, "MachineRole")


def test_the_machine_itself_reads_and_writes_its_reviews_only(
    environment: Environment, resources: Resources
) -> None:
    """A missing grant would show on AWS only: offline, no call of a map is checked."""
    bucket = f"bedrock-tuning-{environment.name}-<AWS::AccountId>-{environment.region}"
    s3 = [
        each
        for each in statements(machine_role(resources))
        if any(action.startswith("s3:") for action in listed(each["Action"]))
    ]
    assert {action for each in s3 for action in listed(each["Action"])} == {
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    }
    for each in s3:
        assert text(each["Resource"]) == f'"arn:aws:s3:::{bucket}/runs/*/review/*"'
    keyed = environment.storage.encryption == "kms"
    assert (actions(machine_role(resources)) >= USE_KEY) == keyed
    assert "states:StopExecution" in actions(machine_role(resources))


def test_no_machine_has_a_policy_that_the_cdk_made(
    stacks: Mapping[str, dict[str, Any]],
) -> None:
    for stack in stacks.values():
        machines = [name for name in stack["Resources"] if "DistributedMapPolicy" in name]
        assert machines == []


def test_nothing_can_commit_to_a_term(resources: Resources) -> None:
    # IAM knows no condition on the commitment: no code may ever ask for one.
    assert not allowing(resources, "bedrock:UpdateProvisionedModelThroughput")
    (purchase,) = calls("create_provisioned_model_throughput")
    assert {each.arg for each in purchase.keywords} == {
        "clientRequestToken",
        "modelId",
        "modelUnits",
        "provisionedModelName",
        "tags",
    }
    assert not calls("update_provisioned_model_throughput")


def test_a_purchase_is_called_by_its_own_name_only() -> None:
    """So that the proof above sees each of them."""
    texts = {
        node.value
        for tree in code()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not {each for each in texts if re.fullmatch("(create|update)_provisioned.*", each)}


def calls(method: str) -> list[ast.Call]:
    """Return the calls of a client's method in the functions' code."""
    return [
        node
        for tree in code()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


def code() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in Path("lambdas").rglob("*.py")]


def test_profiles_are_invoked_through_profiles_only(resources: Resources) -> None:
    for each in allowing(resources, "bedrock:InvokeModel"):
        arns = [text(one) for one in listed(each["Resource"])]
        elsewhere = {arn.split(":")[3] for arn in arns if "foundation-model" in arn}
        if len(elsewhere) > 1:
            assert "bedrock:InferenceProfileArn" in each["Condition"]["StringEquals"]


def test_keys_are_used_through_a_service_only(resources: Resources) -> None:
    for one in roles(resources).values():
        for each in statements(one):
            if any(action.startswith("kms:") for action in listed(each["Action"])):
                assert "kms:ViaService" in each["Condition"]["StringEquals"]


def test_machines_invoke_exactly_what_they_name(
    stacks: Mapping[str, dict[str, Any]], resources: Resources
) -> None:
    machines = {**definitions(stacks["pipeline"]), **definitions(stacks["guards"])}
    assert len(machines) == 4
    for name, definition in machines.items():
        called = {
            _function_name(resources, task.state["Arguments"]["FunctionName"].strip("${}"))
            for task in Graph(definition).tasks()
        }
        # Of all versions: a run under way calls those that it began with.
        assert _invoked(resources, name) == called | {f"{each}:*" for each in called}, name


def _function_name(resources: Resources, version: str) -> str:
    function = resources[version]["Properties"]["FunctionName"]["Ref"]
    return str(resources[function]["Properties"]["FunctionName"])


def _invoked(resources: Resources, machine: str) -> set[str]:
    (role_id,) = (
        each["Properties"]["RoleArn"]["Fn::GetAtt"][0]
        for each in resources.values()
        if each["Type"] == "AWS::StepFunctions::StateMachine"
        and each["Properties"]["StateMachineName"] == machine
    )
    return {
        text(resource).strip('"').partition(":function:")[2]
        for each in statements(resources[role_id]["Properties"])
        if "lambda:InvokeFunction" in listed(each["Action"])
        for resource in listed(each["Resource"])
    }


def test_functions_are_called_by_machines_and_two_rules_only(
    environment: Environment, resources: Resources
) -> None:
    called = {
        each["Properties"]["FunctionName"]["Fn::GetAtt"][0][:-8]: each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Lambda::Permission"
    }
    rules = {"FunctionsReapLeftovers": "ReaperSchedule"}
    if environment.spending.watch_purchases:
        rules["FunctionsInspectPurchase"] = "PurchaseWatchRule"
    assert {
        function: one["SourceArn"]["Fn::GetAtt"][0][:-8] for function, one in called.items()
    } == rules
    for one in called.values():
        assert (one["Action"], one["Principal"]) == (
            "lambda:InvokeFunction",
            "events.amazonaws.com",
        )
    assert "AWS::Lambda::Url" not in {each["Type"] for each in resources.values()}
