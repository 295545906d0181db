from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.run.contracts import LossCurves, ReadLossCurvesRequest
from lambdas.domain.training.loss_plot import draw
from lambdas.domain.training.losses import (
    TRAINING_FILE,
    VALIDATION_FILE,
    Curve,
    LossHistory,
    find_metrics_file,
    history,
    parse,
    verdict,
)
from lambdas.handlers.read_loss_curves import read_loss_curves
from tests.article import ARTICLE, needs_article
from tests.factories import FROZEN, NOW, PREFIX, QUOTED, dataset, run, training
from tests.fakes.s3 import FakeS3, install

JOB = f"{PREFIX}/training/model-customization-job-abcdefghijkl"
TRAINING_KEY = f"{JOB}/training_artifacts/{TRAINING_FILE}"
VALIDATION_KEY = f"{JOB}/validation_artifacts/post_fine_tuning_validation/{VALIDATION_FILE}"
REQUEST = ReadLossCurvesRequest(
    run=run(), now=NOW, dataset=dataset(), quote=QUOTED, training=training()
)


def csv(kind: str, *losses: float, per_epoch: int = 1) -> str:
    rows = [f"{i},{i // per_epoch + 1},{loss}" for i, loss in enumerate(losses)]
    return "\n".join([f"step_number,epoch_number,{kind}_loss", *rows]) + "\n"


def read(training: str, validation: str | None) -> LossHistory:
    validated = parse(validation, "validation_loss", VALIDATION_FILE) if validation else Curve()
    return history(parse(training, "training_loss", TRAINING_FILE), validated)


# The shape of the published report's job: turn-up after epoch 6, stopped early.
TRAINED = csv("training", 1.4, 1.2, 0.9, 0.8, 0.5, 0.3, 0.4, 0.3, per_epoch=2)
OVER_FIT = csv("validation", 2.5, 1.5, 1.4, 1.6)
STILL_FALLING = csv("validation", 2.5, 1.9, 1.7, 1.6)


def test_steps_are_averaged_by_epoch() -> None:
    losses = read(TRAINED, OVER_FIT)
    assert [each.training_loss for each in losses.epochs] == pytest.approx([1.3, 0.85, 0.4, 0.35])
    assert [each.validation_loss for each in losses.epochs] == [2.5, 1.5, 1.4, 1.6]
    assert len(losses.steps) == 8


@pytest.mark.parametrize(
    ("validation", "best", "over_fit"),
    [
        (OVER_FIT, 3, True),
        (STILL_FALLING, 4, False),
        (csv("validation", 2.5, 1.5, 1.4, 1.406), 3, False),  # within the tolerance
        (csv("validation", 2.5, 1.4, 1.4, 1.4), 2, False),
        (csv("validation", 1.0, 2.0, 3.0, 0.9), 4, False),
        (None, None, None),
    ],
)
def test_best_epoch_and_over_fit(
    validation: str | None, best: int | None, *, over_fit: bool | None
) -> None:
    losses = read(TRAINED, validation)
    assert (losses.best.epoch if losses.best else None) == best
    assert losses.over_fit is over_fit


def test_both_losses_rising_is_no_over_fit() -> None:
    losses = read(csv("training", 1.0, 0.5, 0.9), csv("validation", 1.0, 0.5, 0.9))
    assert losses.over_fit is False


@pytest.mark.parametrize(
    ("validation", "planned", "expected"),
    [
        (OVER_FIT, 10, "4 of 10 epochs (stopped early); validation loss was lowest in epoch 3 (1."),
        (OVER_FIT, 10, "rose to 1.600 by epoch 4 while training loss did not: the model over-fits"),
        (
            STILL_FALLING,
            4,
            "over 4 epochs; validation loss was lowest in epoch 4 (1.600), the last",
        ),
        (csv("validation", 2.5, 1.4, 1.4, 1.4), None, "has not clearly risen since"),
        (None, None, "over-fitting cannot be assessed."),
    ],
)
def test_the_verdict_is_one_sentence_with_figures(
    validation: str | None, planned: int | None, expected: str
) -> None:
    said = verdict(read(TRAINED, validation), planned_epochs=planned)
    assert expected in said
    assert said.startswith("Training loss went from 1.300 to 0.350 over 4")
    assert said.endswith(".")


def test_columns_are_found_by_the_header() -> None:
    text = (
        "\ufeffperplexity, training_loss,epoch_number,step_number\n4.1,1.5,1,0\n3.9, 1.25 ,1.0,1\n"
    )
    curve = parse(text, "training_loss", TRAINING_FILE)
    assert [each.loss for each in curve.losses] == [1.5, 1.25]
    assert curve.warnings == ()


@pytest.mark.parametrize(
    ("text", "expected", "kept"),
    [
        ("", "no column epoch_number, step_number, training_loss but nothing at all", 0),
        ("step_number,epoch_number,loss\n", "no column training_loss but step_number", 0),
        (csv("training"), "a header but no row", 0),
        (csv("training", 1.0, float("nan"), 0.9), "line 3: the loss is nan in epoch 2", 2),
        (csv("training", float("inf")), "the loss is inf", 0),
        (csv("training", 1.0) + "1,2\n", "line 3 cannot be read", 1),
        (csv("training", 1.0) + "1,2,0.3", "its last line is cut off", 1),
        (csv("training", 1.0) + "1", "its last line is cut off", 1),
        (csv("training", 1.0) + "nan,nan,1.0\n", "line 3 cannot be read", 1),
        (csv("training", 1.0) + "x,1,1.0\n", "line 3 cannot be read", 1),
        (csv("training", 1.0) + "1,2\r,3\n", "cannot be read: new-line character", 0),
        ("\ufffd\ufffd\x00\n", "no column", 0),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_kept(text: str, expected: str, kept: int) -> None:
    curve = parse(text, "training_loss", TRAINING_FILE)
    assert expected in " ".join(curve.warnings)
    assert len(curve.losses) == kept


def test_many_bad_lines_do_not_fill_a_state() -> None:
    curve = parse(csv("training", *[float("nan")] * 5000), "training_loss", TRAINING_FILE)
    assert len(curve.warnings) == 4
    assert curve.warnings[-1] == "and 4997 more lines like these"


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=1, max_size=8))
def test_the_best_epoch_is_never_beaten(losses: list[tuple[float, float]]) -> None:
    found = read(
        csv("training", *(one for one, _ in losses)), csv("validation", *(two for _, two in losses))
    )
    assert found.best is not None
    assert found.best.validation_loss == min(two for _, two in losses)
    assert len(verdict(found, planned_epochs=None).splitlines()) == 1


# Of the user guide; of AWS's samples, which know the validator's name; and of neither.
PLACES = ["post_fine_tuning_validation/", "post_fine_tuning_validation/validation/", ""]


@pytest.mark.parametrize("folder", PLACES)
def test_the_file_is_found_wherever_bedrock_puts_it(folder: str) -> None:
    other = f"x/model-customization-job-aaaaaaaaaaaa/{folder}{VALIDATION_FILE}"
    own = f"x/model-customization-job-abcdefghijkl/{folder}{VALIDATION_FILE}"
    keys = [other, own, f"{own}.metadata"]
    assert find_metrics_file(keys, VALIDATION_FILE, "abcdefghijkl") == own
    assert find_metrics_file([other], VALIDATION_FILE, "abcdefghijkl") == other
    assert find_metrics_file([], VALIDATION_FILE, "abcdefghijkl") is None


@pytest.mark.slow
@pytest.mark.parametrize("folder", PLACES)
def test_the_state_reads_the_validation_losses_from_each_place(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    key = f"{JOB}/validation_artifacts/{folder}{VALIDATION_FILE}"
    install(monkeypatch, FakeS3({TRAINING_KEY: TRAINED.encode(), key: OVER_FIT.encode()}))
    assert read_loss_curves(REQUEST).best_validation_loss == 1.4


@pytest.mark.slow
def test_the_plot_is_deterministic_labelled_and_undated() -> None:
    losses = read(TRAINED, OVER_FIT)
    svg, png = draw(losses)
    assert draw(losses) == (svg, png)
    root = ET.fromstring(svg)  # noqa: S314  # our own
    texts = {"".join(each.itertext()) for each in root.iter() if each.tag[-4:] == "text"}
    assert {"epoch", "loss", "validation", "training (mean of epoch)", "each step"} <= texts
    assert "best epoch 3: 1.400" in texts
    assert b"<dc:date>" not in svg
    assert png.startswith(b"\x89PNG")


def test_the_plot_works_without_validation_and_with_one_epoch() -> None:
    svg, _ = draw(read(csv("training", 1.0), None))
    assert b"validation" not in svg


def test_the_state_writes_data_and_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = install(
        monkeypatch, FakeS3({TRAINING_KEY: TRAINED.encode(), VALIDATION_KEY: OVER_FIT.encode()})
    )
    curves = read_loss_curves(REQUEST)
    assert (curves.epochs, curves.best_epoch, curves.over_fit) == (4, 3, True)
    assert (curves.best_validation_loss, curves.final_validation_loss) == (1.4, 1.6)
    assert "4 of 10 epochs" in curves.verdict
    document = json.loads(s3.objects[curves.losses_key])
    assert len(document["steps"]) == 8
    assert document["epochs"][2]["validation_loss"] == 1.4
    assert s3.content_types[curves.svg_key] == "image/svg+xml"
    assert s3.content_types[curves.png_key] == "image/png"


def curves_of(
    monkeypatch: pytest.MonkeyPatch, training: bytes | None, validation: bytes | None
) -> LossCurves:
    files = {TRAINING_KEY: training, VALIDATION_KEY: validation}
    install(monkeypatch, FakeS3({key: body for key, body in files.items() if body is not None}))
    return read_loss_curves(REQUEST)


def test_a_run_without_a_validation_set_is_not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeS3({TRAINING_KEY: TRAINED.encode()}))
    unvalidated = dataset(files=[FROZEN[0], FROZEN[-1]])
    curves = read_loss_curves(REQUEST.model_copy(update={"dataset": unvalidated}))
    assert (curves.best_epoch, curves.over_fit, curves.best_validation_loss) == (None, None, None)
    assert curves.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "expected", "best"),
    [
        (None, "validation_metrics.csv is missing: there is none under s3://", None),
        (b"", "validation_metrics.csv has no column", None),
        (csv("validation").encode(), "a header but no rows", None),
        (csv("validation", 2.5, 1.5, 1.4, 1.6).encode()[:-2], "its last line is cut off", 3),
        (OVER_FIT.encode()[:-4] + b"\n", "line 5 cannot be read", 3),
        (csv("validation", 2.5, 1.5, float("nan")).encode(), "the loss is nan in epoch 3", 2),
        (b"\xff\xfe\x00", "has no column", None),
    ],
    ids=["missing", "empty", "header only", "cut number", "cut line", "nan", "binary"],
)
def test_no_validation_curve_fails_a_paid_run(
    monkeypatch: pytest.MonkeyPatch, body: bytes | None, expected: str, best: int | None
) -> None:
    curves = curves_of(monkeypatch, TRAINED.encode(), body)
    assert expected in curves.verdict
    assert curves.warnings
    assert (curves.epochs, curves.best_epoch) == (4, best)
    assert "diverged" not in curves.verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "expected", "last"),
    [
        (None, "There is no training loss", None),
        (b"", "There is no training loss", None),
        (csv("training").encode(), "There is no training loss", None),
        (TRAINED.encode() + b"8,5", "over 4 epochs;", 0.35),
        (csv("training", 1.0, float("nan")).encode(), "Training diverged: a loss is not a", 1.0),
        (csv("training", float("nan")).encode(), "Training diverged: a loss is not a", None),
    ],
    ids=["missing", "empty", "header only", "cut line", "nan", "nan only"],
)
def test_no_training_curve_fails_a_paid_run(
    monkeypatch: pytest.MonkeyPatch, body: bytes | None, expected: str, last: float | None
) -> None:
    """And it claims no epochs: by them the training is billed."""
    curves = curves_of(monkeypatch, body, OVER_FIT.encode())
    assert expected in curves.verdict
    assert curves.warnings
    assert curves.epochs is None
    assert curves.final_training_loss == pytest.approx(last) if last else last is None
    assert curves.best_validation_loss == 1.4


@needs_article
def test_the_published_job_turns_up_after_epoch_six() -> None:
    files = [ARTICLE / TRAINING_FILE, ARTICLE / VALIDATION_FILE]
    losses = read(*(path.read_text() for path in files))
    assert losses.best is not None
    assert (len(losses.epochs), losses.best.epoch, losses.over_fit) == (7, 6, True)
    assert "rose to 1.496 by epoch 7" in verdict(losses, planned_epochs=10)
