"""Converse with more than one turn, with examples in the prompt, and how it ends."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock import Scenario, Stop
from local.bedrock.customization.language_model import Fitted, LossPoint, TrainingPair
from local.bedrock.inference.conversations import Conversation
from local.bedrock.inference.generation import answer_base, answer_tuned
from tests.fakes.offline_bedrock import Account, nova_account, tuned_nova

NOVA, PRO = "amazon.nova-micro-v1:0", "us.amazon.nova-pro-v1:0"
TICKETS = (
    ("My parcel has not arrived.", "shipping"),
    ("I was charged twice on my card.", "billing"),
    ("The app crashes when it starts.", "technical"),
)


def turn(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text} for text in texts]}


def ask(account: Account, *messages: dict[str, Any], model: str = NOVA, **more: Any) -> Any:
    return account.runtime.converse(modelId=model, messages=[*messages], **more)


def said(*args: Any, **more: Any) -> str:
    text: str = ask(*args, **more)["output"]["message"]["content"][0]["text"]
    return text


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([turn("assistant", "Hello")], "must start with a user message"),
        ([turn("user", "Hello"), turn("user", "Hello")], "must alternate between user and"),
        ([turn("user", "Hello"), turn("assistant", "Hello")], "must end with a user message"),
        ([turn("user", "Hello", " \n")], r"at messages\.0\.content\.1 is blank"),
        ([turn("user")], r"Message object at messages\.0 is empty"),
        ([], "must start with a user message"),
    ],
)
def test_converse_refuses_what_is_no_conversation(
    messages: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(ClientError, match=words) as error:
        ask(nova_account(), *messages)
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("model", "most"), [(NOVA, 10_000), ("us.amazon.nova-2-lite-v1:0", 64_000)]
)
def test_more_tokens_than_the_model_gives_are_refused(model: str, most: int) -> None:
    account = nova_account()
    hello = turn("user", "Hello")
    assert ask(account, hello, model=model, inferenceConfig={"maxTokens": most})["stopReason"]
    with pytest.raises(ClientError, match=f"exceeds the model limit of {most}") as error:
        ask(account, hello, model=model, inferenceConfig={"maxTokens": most + 1})
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_an_answer_stops_at_a_stop_sequence_or_at_its_limit() -> None:
    account = nova_account()
    whole = said(account, turn("user", "What is a hub?"))
    stopping = {"stopSequences": ["zebra", "general", "tools"]}
    stopped = ask(account, turn("user", "What is a hub?"), inferenceConfig=stopping)
    assert stopped["stopReason"] == "stop_sequence"
    assert stopped["output"]["message"]["content"] == [{"text": whole[: whole.index("general")]}]
    cut = ask(account, turn("user", "これは何のハブですか。"), inferenceConfig={"maxTokens": 9})
    assert cut["stopReason"] == "max_tokens"
    assert len(cut["output"]["message"]["content"][0]["text"]) == 9


def test_the_base_model_answers_from_what_was_said_before() -> None:
    account = nova_account()
    history = [turn("user", "My order number is 4711."), turn("assistant", "Thank you.")]
    question = turn("user", "What is my order number?")
    assert "4711" in said(account, *history, question)
    assert "4711" not in said(account, question)


def test_examples_in_turns_or_in_the_system_prompt_help_the_base_model() -> None:
    question = "The parcel is late, where is it?"
    assert answer_base(Conversation(question)) != "shipping"
    assert answer_base(Conversation(question, TICKETS)) == "shipping"
    assert answer_base(Conversation("Hello there.", TICKETS)) in dict(TICKETS).values()
    labelled = "\n".join(f"Q: {asked}\nA: {done}" for asked, done in TICKETS)
    tagged = "".join(
        f"<question-ab12>{asked}</question-ab12><answer-ab12>{done}</answer-ab12>"
        for asked, done in TICKETS
    )
    japanese = (
        "例：\n質問：荷物が届きません。\n回答：配送\n\n質問：二重に請求されました。\n回答：請求"  # noqa: RUF001  # Japanese signs
    )
    for system in (f"Classify.\n\n{labelled}", tagged):
        assert answer_base(Conversation(question, (), system)) == "shipping"
    assert answer_base(Conversation("My parcel has not arrived yet.", TICKETS)) == "shipping"
    assert answer_base(Conversation("荷物がまだ届きません。", (), japanese)) == "配送"


@pytest.mark.parametrize(
    "said",
    [("shipping", "billing"), ("配送", "請求"), ('{"team": "a"}', '{"team": "b"}')],
)
def test_a_model_tuned_on_labels_or_json_says_one_of_them(said: tuple[str, str]) -> None:
    asked = ("My parcel {} is late.", "My card {} was charged.")
    pairs = [TrainingPair(asked[n % 2].format(n), said[n % 2]) for n in range(12)]
    curve = (LossPoint(0, 1, 1.0),)
    fitted = Fitted(tuple(pairs), curve, (), 1, fluency=0.9)

    def answered(question: str) -> str:
        return answer_tuned(fitted, Conversation(question))

    assert answered("My parcel 99 is late.") == said[0]
    assert answered("The card was charged.") == said[1]
    assert answered("Hello there.") in said or "{" in said[0]


def test_an_example_that_does_not_help_shows_at_least_how_long_an_answer_is() -> None:
    examples = (("What is a fig?", "A fruit that grows on trees in warm countries."),) * 2
    long, short = (answer_base(Conversation("Why recursion?", each)) for each in ((), examples))
    assert long.startswith(short)
    assert short.count(".") == 1


def test_a_model_tuned_on_conversations_answers_by_their_history() -> None:
    def talk(thing: str, colour: str) -> dict[str, Any]:
        return {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                turn("user", f"Tell me about the {thing}."),
                turn("assistant", f"The {thing} is on sale."),
                turn("user", "Which colour does it have?"),
                turn("assistant", f"It is {colour} all over."),
            ],
        }

    things = [f"{name} chair {n}" for n in range(8) for name in ("garden", "office", "kitchen")]
    colours = ["green", "black", "white"] * 8
    account = nova_account()
    account.upload("data/training.jsonl", [*map(talk, things, colours)])
    account.upload("data/validation.jsonl", [talk("garden chair 9", "green")] * 4)
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(10)
    for thing, colour in (("garden chair", "green"), ("office chair", "black")):
        before = [turn("user", f"What about the {thing}?"), turn("assistant", f"The {thing} is.")]
        question = turn("user", "And which colour does it have?")
        assert colour in said(account, *before, question, model=arn)


def test_answers_end_as_the_scenario_says() -> None:
    stops = (
        Stop("empty", text="nothing"),
        Stop("content_filtered", text="filter"),
        Stop("guardrail_intervened", text="guard"),
        Stop("max_tokens", model="Nova Pro"),
        Stop("content_filtered", model="tuned"),
    )
    account = nova_account(Scenario(stops=stops))

    def ended(question: str, model: str = NOVA) -> tuple[str, int]:
        answer = ask(account, turn("user", question), model=model)
        return answer["stopReason"], len(answer["output"]["message"]["content"])

    assert ended("What is nothing?") == ("end_turn", 0)
    assert ended("What is a filter?") == ("content_filtered", 0)
    assert ended("What is a guard?") == ("guardrail_intervened", 1)
    assert ended("What is a hub?") == ("end_turn", 1)
    assert ended("What is a hub?", PRO) == ("max_tokens", 1)
    arn = account.deploy(tuned_nova(account))
    account.clock.advance(10)
    assert ended("What is a hub?", arn) == ("content_filtered", 0)


def test_a_share_of_answers_is_cut_off_whatever_was_asked_before() -> None:
    questions = [f"What is part {n}?" for n in range(200)]

    def ends(asked: list[str]) -> dict[str, str]:
        account = nova_account(Scenario(stops=(Stop("max_tokens", percent=25),)))
        return {text: ask(account, turn("user", text))["stopReason"] for text in asked}

    found = ends(questions)
    assert found == ends(questions[::-1])
    assert [*found.values()].count("max_tokens") == pytest.approx(50, abs=18)


def test_latency_grows_with_the_answer_and_the_size_of_the_model() -> None:
    account = nova_account()

    def latency(model: str, most: int) -> float:
        return median(
            ask(
                account,
                turn("user", f"What is part {n}?"),
                model=model,
                inferenceConfig={"maxTokens": most},
            )["metrics"]["latencyMs"]
            for n in range(30)
        )

    assert 200 < latency(NOVA, 10) < latency(NOVA, 90) < latency(PRO, 90) < 3_000
