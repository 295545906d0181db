from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import pytest

from lambdas.aws.artefacts import ArtefactChanged, ArtefactMissing
from lambdas.domain.errors import AccessDenied, DatasetChanged, DatasetInvalid
from lambdas.domain.run.contracts import Dataset
from lambdas.domain.run.dataset_files import FILE_NAMES, DatasetKind
from lambdas.domain.run.earlier_run import AnswerSettings, EarlierRun
from lambdas.handlers.validate_dataset import handler
from lambdas.validation import make_record
from tests.factories import NAMES, run
from tests.fakes.s3 import BUCKET, FakeS3, client_error, install

FINDINGS_KEY = "runs/run-0123456789ab/validation.json"


def jsonl(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records).encode()


def training(count: int, name: str = "t") -> bytes:
    return jsonl(
        [make_record("claude-messages", "S", f"質問 {name} {n}", "答え") for n in range(count)]
    )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    example = {"id": "e", "question": "What?", "reference_answer": "That."}
    objects = {
        "datasets/default/training.jsonl": training(40),
        "datasets/default/validation.jsonl": training(32, "v"),
        "datasets/default/evaluation.jsonl": jsonl([example]),
    }
    return install(monkeypatch, FakeS3(objects))


def validate(**changes: object) -> dict[str, Any]:
    given = run(prefix="runs/run-0123456789ab", **changes)
    return handler({"run": given.model_dump(mode="json"), "now": "2026-11-23T12:01:00Z"}, None)


def test_a_good_dataset_is_summarized_and_reported(s3: FakeS3) -> None:
    result = validate()
    assert result["training_records"] == 40
    assert result["validation_records"] == 32
    assert result["evaluation_examples"] == 1
    assert result["warnings"] == 0
    assert result["system_prompt"] == "S"
    assert result["training_tokens"] >= 40 * 2 * 3
    assert result["findings_key"] == FINDINGS_KEY
    assert json.loads(s3.objects[FINDINGS_KEY])["verdict"] == "valid"


def test_the_run_has_a_copy_of_exactly_what_was_checked(s3: FakeS3) -> None:
    uploaded = dict(s3.objects)
    files = {each["kind"]: each for each in validate()["files"]}
    assert list(files) == ["training", "validation", "evaluation"]
    for kind, each in files.items():
        body = uploaded[f"datasets/default/{kind}.jsonl"]
        assert each["key"] == f"runs/run-0123456789ab/dataset/{kind}.jsonl"
        assert s3.objects[each["key"]] == body
        assert (each["sha256"], each["size_bytes"]) == (sha256(body).hexdigest(), len(body))


def test_examples_for_the_prompt_are_chosen_and_kept(s3: FakeS3) -> None:
    assert validate()["few_shot_tokens"] == 0
    kept_key = "runs/run-0123456789ab/few-shot.json"
    assert kept_key not in s3.objects
    tokens = validate(also_compare=["few-shot"])["few_shot_tokens"]
    kept = json.loads(s3.objects[kept_key])
    assert tokens == kept["tokens"] > 0
    assert [turn["text"] for turn in kept["turns"][::2]] == [
        f"質問 t {at}" for at in (0, 8, 16, 24, 32)
    ]


@pytest.mark.parametrize("questions", [1, 5])
def test_questions_too_few_for_a_verdict_are_refused(s3: FakeS3, questions: int) -> None:
    """Five questions trained, paid, and were then "not decisive", which five must be."""
    asked = [
        {"id": str(n), "question": f"What is {n}?", "reference_answer": "That."}
        for n in range(questions)
    ]
    s3.objects["datasets/default/evaluation.jsonl"] = jsonl(asked)
    with pytest.raises(DatasetInvalid) as refused:
        validate(min_evaluation_questions=6)
    assert f"{questions} records; at least 6 are needed" in str(refused.value)
    assert "the environment's min_evaluation_questions" in str(refused.value)
    assert validate(min_evaluation_questions=questions)["evaluation_examples"] == questions


def trained_earlier(s3: FakeS3, more: Mapping[DatasetKind, bytes] = MappingProxyType({})) -> None:
    """Leave what a run that tuned a model has left."""
    quote_earlier(s3, {"training": training(33, "earlier"), "evaluation": b"of that run", **more})


def quote_earlier(s3: FakeS3, files: Mapping[DatasetKind, bytes]) -> None:
    for kind, body in files.items():
        s3.freeze(f"runs/earlier/dataset/{FILE_NAMES[kind]}", body)
    hashes = {kind: sha256(body).hexdigest() for kind, body in files.items()}
    quoted = sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    s3.objects["runs/earlier/quote.json"] = json.dumps({"dataset_sha256": quoted}).encode()


def test_a_run_with_an_earlier_runs_model_freezes_what_that_one_was_trained_on(s3: FakeS3) -> None:
    trained_earlier(s3)
    result = validate(tuned_by_run="earlier")
    assert (result["training_records"], result["validation_records"]) == (33, 0)
    copied = s3.objects["runs/run-0123456789ab/dataset/training.jsonl"]
    assert copied == training(33, "earlier")
    assert result["evaluation_examples"] == 1


def test_a_question_of_an_earlier_runs_training_data_is_a_leak(s3: FakeS3) -> None:
    trained_earlier(s3)
    leak = {"id": "e", "question": "質問 earlier 3", "reference_answer": "答え"}
    clean = {"id": "f", "question": "別の質問", "reference_answer": "別の答え"}
    s3.objects["datasets/default/evaluation.jsonl"] = jsonl([leak, clean])
    found = []
    for changes in ({"tuned_by_run": "earlier"}, {}):
        validate(**changes)
        codes = {each["code"] for each in json.loads(s3.objects[FINDINGS_KEY])["findings"]}
        found.append("leak" in codes)
    assert found == [True, False]


def test_training_data_that_is_not_what_the_model_was_trained_on_is_refused(s3: FakeS3) -> None:
    trained_earlier(s3)
    s3.freeze("runs/earlier/dataset/training.jsonl", training(34, "earlier"))
    with pytest.raises(DatasetChanged, match="runs/earlier/dataset/ is no longer what that run"):
        validate(tuned_by_run="earlier")


def test_answers_of_an_earlier_run_are_judged_with_that_runs_data_alone(s3: FakeS3) -> None:
    trained_earlier(s3)
    question = {"id": "q", "question": "Which?", "reference_answer": "This."}
    bodies = {"training": training(33, "earlier"), "evaluation": jsonl([question])}
    quote_earlier(s3, bodies)
    before = len(s3.objects)
    for key in [key for key in s3.objects if key.startswith("datasets/")]:
        del s3.objects[key]
    result = validate(answers_of_run="earlier", tuned_by_run="first")
    assert (result["training_records"], result["validation_records"]) == (33, 0)
    hashes = {each["kind"]: each["sha256"] for each in result["files"]}
    assert hashes == {kind: sha256(body).hexdigest() for kind, body in bodies.items()}
    assert len(s3.objects) == before - 3 + 4, "two copies, what was found, and the run itself"


def test_data_that_is_not_what_an_earlier_run_has_asked_is_refused(s3: FakeS3) -> None:
    trained_earlier(s3)
    s3.freeze("runs/earlier/dataset/evaluation.jsonl", b"others")
    with pytest.raises(DatasetChanged, match="leave answers_of_run out to train again"):
        validate(answers_of_run="earlier", tuned_by_run="earlier")


def test_a_run_is_kept_for_later_ones_once_its_dataset_is_valid(s3: FakeS3) -> None:
    with pytest.raises(DatasetInvalid):
        validate(min_evaluation_questions=6)
    assert "runs/run-0123456789ab/run.json" not in s3.objects
    validate(tuned_by_run=None, system_prompt="S", max_answer_tokens=77)
    kept = json.loads(s3.objects["runs/run-0123456789ab/run.json"])
    assert EarlierRun.model_validate(kept) == EarlierRun(
        name=NAMES.run,
        settings=AnswerSettings(
            dataset="default", model="claude-3-haiku", system_prompt="S", max_answer_tokens=77
        ),
        asked=1,
    )


def test_without_validation_there_are_no_validation_records(s3: FakeS3) -> None:
    del s3.objects["datasets/default/validation.jsonl"]
    result = validate()
    assert result["validation_records"] == 0
    assert [each["kind"] for each in result["files"]] == ["training", "evaluation"]


SCHEMA = b'{"type": "object", "required": ["queue"]}'


def test_general_questions_and_the_schema_of_answers_are_frozen_too(s3: FakeS3) -> None:
    s3.objects["datasets/default/general.jsonl"] = jsonl(
        [
            {"id": "g-1", "question": "What is 1 + 1?", "reference_answer": "2"},
            {"id": "g-2", "question": "質問 t 3", "reference_answer": "3"},
        ]
    )
    s3.objects["datasets/default/answer.schema.json"] = SCHEMA
    example = {"id": "e", "question": "質問は?", "reference_answer": '{"queue": "請求"}'}
    s3.objects["datasets/default/evaluation.jsonl"] = jsonl([example])
    before = validate()
    kinds = [each["kind"] for each in before["files"]]
    assert kinds == ["training", "validation", "evaluation", "general", "answer-schema"]
    assert s3.objects[before["files"][-1]["key"]] == SCHEMA
    assert before["files"][-1]["key"].endswith("/dataset/answer.schema.json")
    assert (before["general_examples"], before["general_tokens"] > 0) == (2, True)
    assert (before["set_aside"], before["is_japanese"]) == (0, True)
    found = json.loads(s3.objects[FINDINGS_KEY])["summary"]
    assert found["general_set_aside"] == {"g-2": "in training or validation"}
    s3.objects["datasets/default/answer.schema.json"] = b"{}"
    assert Dataset.model_validate(validate()).sha256 != Dataset.model_validate(before).sha256


def test_a_dataset_without_them_is_as_it_was(s3: FakeS3) -> None:
    assert s3.objects
    result = validate()
    assert (result["general_examples"], result["general_tokens"]) == (0, 0)
    assert result["is_japanese"] is False


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (None, "answer.schema.json: the metric json-schema needs a schema"),
        (b'{\n"type":', "answer.schema.json:2: the file is not JSON: Expecting value"),
        (b'{"type": "nmber"}', "answer.schema.json $.type: 'nmber'"),
        (SCHEMA, "evaluation.jsonl:1 reference_answer: it is not JSON"),
    ],
)
def test_what_answers_cannot_be_held_against_is_refused_with_its_place(
    s3: FakeS3, schema: bytes | None, says: str
) -> None:
    if schema:
        s3.objects["datasets/default/answer.schema.json"] = schema
    with pytest.raises(DatasetInvalid) as refused:
        validate(metric="json-schema")
    assert says in str(refused.value)


def test_an_earlier_runs_model_is_judged_by_the_datasets_schema_and_not_that_runs(
    s3: FakeS3,
) -> None:
    trained_earlier(s3, {"general": b"of that run", "answer-schema": b"{}"})
    s3.objects["datasets/default/answer.schema.json"] = b'{"$comment": "newer"}'
    example = {"id": "e", "question": "What?", "reference_answer": "3"}
    s3.objects["datasets/default/evaluation.jsonl"] = jsonl([example])
    kinds = [each["kind"] for each in validate(tuned_by_run="earlier")["files"]]
    assert kinds == ["training", "evaluation", "answer-schema"]
    copied = s3.objects["runs/run-0123456789ab/dataset/answer.schema.json"]
    assert copied == b'{"$comment": "newer"}'
    s3.freeze("runs/earlier/dataset/answer.schema.json", b"true")
    with pytest.raises(DatasetChanged):
        validate(tuned_by_run="earlier")


def test_answers_that_will_be_cut_off_are_warned_of(s3: FakeS3) -> None:
    example = {"id": "e", "question": "What?", "reference_answer": "word " * 200}
    s3.objects["datasets/default/evaluation.jsonl"] = jsonl([example])
    validate(max_answer_tokens=100)
    findings = json.loads(s3.objects[FINDINGS_KEY])["findings"]
    assert ("tight-answers", 1) in [(each["code"], each["line"]) for each in findings]


def test_a_second_attempt_goes_by_what_is_there_then(s3: FakeS3) -> None:
    validate()
    s3.objects["datasets/default/training.jsonl"] = training(41)
    del s3.objects["datasets/default/validation.jsonl"]
    again = validate()
    assert (again["training_records"], len(again["files"])) == (41, 2)
    assert s3.objects["runs/run-0123456789ab/dataset/training.jsonl"] == training(41)


def test_what_is_uploaded_during_the_check_is_not_in_the_run(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uploading(FakeS3):
        def get_object(self, **asked: Any) -> dict[str, Any]:
            self.objects["datasets/default/training.jsonl"] = b"not a record"
            return super().get_object(**asked)

    replaced = install(monkeypatch, Uploading(s3.objects))
    assert validate()["training_records"] == 40
    assert replaced.objects["runs/run-0123456789ab/dataset/training.jsonl"] == training(40)


def test_more_than_one_copy_call_takes_is_refused(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.aws.frozen_files.MAX_COPIED_BYTES", 100)
    with pytest.raises(DatasetInvalid, match=r"training\.jsonl has [\d,]+ bytes; .* most 100, "):
        validate()
    assert len(s3.objects) == 3


def test_a_bad_dataset_is_refused_and_still_reported(s3: FakeS3) -> None:
    s3.objects["datasets/default/training.jsonl"] += b'{"messages": []}\n\xff\n'
    with pytest.raises(DatasetInvalid) as refused:
        validate()
    message = str(refused.value)
    assert "2 errors, 0 warnings" in message
    assert "training.jsonl:41 messages: 0 of at least 2 messages" in message
    assert "training.jsonl:42: byte 1 of the line, 0xff, is not UTF-8" in message
    assert f"s3://{BUCKET}/{FINDINGS_KEY}" in message
    assert json.loads(s3.objects[FINDINGS_KEY])["summary"]["errors"] == 2


def test_the_runs_system_prompt_goes_before_the_datas(s3: FakeS3) -> None:
    assert s3.objects
    result = validate(system_prompt="Other")
    assert (result["system_prompt"], result["warnings"]) == ("Other", 1)


@pytest.mark.slow
@pytest.mark.parametrize("in_data", [False, True])
def test_a_system_prompt_that_states_cannot_hand_on_is_refused(
    s3: FakeS3,
    in_data: bool,  # noqa: FBT001  # a parameter
) -> None:
    """It would end the execution at its largest payload, the report's, with all paid for."""
    long = "Be brief.\n" * 8_000
    records = [make_record("claude-messages", long, f"Q {n}", "A") for n in range(40)]
    if in_data:
        s3.objects["datasets/default/training.jsonl"] = jsonl(records)
    with pytest.raises(DatasetInvalid, match=r"system prompt.* has 88,002 bytes .* Shorten it"):
        validate(system_prompt=None if in_data else long)
    assert validate(system_prompt=long[:70_000])["system_prompt"] == long[:70_000]


def test_a_file_removed_meanwhile_is_named(s3: FakeS3) -> None:
    del s3.objects["datasets/default/evaluation.jsonl"]
    with pytest.raises(ArtefactMissing, match=r"evaluation\.jsonl does not exist: upload it"):
        validate()


def test_a_refusal_by_s3_has_its_name(s3: FakeS3) -> None:
    s3.failure = client_error("AccessDenied", 403)
    with pytest.raises(AccessDenied):
        validate()


class ReplacedS3(FakeS3):
    """Uploads a new dataset `times` times, when only the evaluation file is still to be copied."""

    times = 1

    def copy_object(self, **asked: Any) -> dict[str, Any]:
        if asked["Key"].endswith("evaluation.jsonl") and self.times:
            self.times -= 1
            questions = [
                {"id": f"e{n}", "question": f"What is {n}?", "reference_answer": "That."}
                for n in range(7 + self.times)
            ]
            self.objects["datasets/default/training.jsonl"] = training(41 + self.times)
            self.objects["datasets/default/evaluation.jsonl"] = jsonl(questions)
        return super().copy_object(**asked)


def test_an_upload_under_way_is_waited_out_so_that_no_run_mixes_two_datasets(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, ReplacedS3(s3.objects))
    result = validate()
    assert (result["training_records"], result["evaluation_examples"]) == (41, 7)


def test_a_copy_that_is_replaced_before_its_hash_is_read_is_refused(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tampering(FakeS3):
        def copy_object(self, **asked: Any) -> dict[str, Any]:
            done = super().copy_object(**asked)
            self.objects[asked["Key"]] += b"\n"
            return done

    install(monkeypatch, Tampering(s3.objects))
    with pytest.raises(ArtefactChanged, match=r"runs/run-0123456789ab/dataset/training\.jsonl"):
        validate()


def test_a_file_that_keeps_changing_is_named(s3: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    changing = ReplacedS3(s3.objects)
    changing.times = 9
    install(monkeypatch, changing)
    with pytest.raises(ArtefactChanged, match="was replaced while it was read: when the upload"):
        validate()


def test_expected_tokens_lie_between_the_estimates(s3: FakeS3) -> None:
    assert s3.objects
    result = validate()
    assert 0 < result["expected_training_tokens"] <= result["training_tokens"]
