"""The topic is known by its name to all that mail."""

from stacks.environment import Environment
from tests.stacks.resources import Stacks, of_type, plain, variables


def test_whoever_mails_knows_the_topic_by_its_name(
    environment: Environment, stacks: Stacks
) -> None:
    (topic,) = of_type(stacks["operations"], "AWS::SNS::Topic")
    name = topic["Properties"]["TopicName"]
    told = {
        module: plain(each["TOPIC_ARN"])
        for module, each in variables(stacks).items()
        if "TOPIC_ARN" in each
    }
    named = {"announce_hold", "approve_spend", "meter_stopped_run", "notify", "reap_leftovers"}
    watching = {"inspect_purchase"} if environment.spending.watch_purchases else set[str]()
    assert {*told} == named | watching
    assert all(arn.endswith(f":<account>:{name}") for arn in told.values())
    keyed = environment.storage.encryption == "kms"
    assert ("KmsMasterKeyId" in topic["Properties"]) is keyed
