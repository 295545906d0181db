"""*Read loss curves*: what the job measured, per step and per epoch, as data and as pictures."""

from __future__ import annotations

from dataclasses import asdict

from lambdas.aws.artefacts import Artefacts
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import LossCurves, ReadLossCurvesRequest
from lambdas.domain.training.loss_plot import draw
from lambdas.domain.training.losses import (
    TRAINING_FILE,
    VALIDATION_FILE,
    Curve,
    LossHistory,
    find_metrics_file,
    history,
    missing,
    parse,
    verdict,
)
from lambdas.runtime.step import step


def read_loss_curves(request: ReadLossCurvesRequest) -> LossCurves:
    run = request.run
    artefacts = Artefacts(run.bucket)
    losses = _read(artefacts, request)
    planned = request.quote.hyperparameters[find_model(run.settings.model).epochs]
    said = verdict(losses, planned_epochs=int(planned))
    svg, png = draw(losses)
    best, last = losses.best, losses.last_validated
    return LossCurves(
        epochs=len(losses.epochs) if losses.whole else None,
        best_epoch=best.epoch if best else None,
        final_training_loss=losses.trained[-1].training_loss if losses.trained else None,
        best_validation_loss=best.validation_loss if best else None,
        final_validation_loss=last.validation_loss if last else None,
        over_fit=losses.over_fit,
        verdict=said,
        warnings=losses.warnings,
        losses_key=artefacts.put_json(
            f"{run.prefix}/losses.json",
            asdict(losses) | {"over_fit": losses.over_fit, "verdict": said},
        ),
        svg_key=artefacts.put_bytes(f"{run.prefix}/losses.svg", svg),
        png_key=artefacts.put_bytes(f"{run.prefix}/losses.png", png),
    )


def _read(artefacts: Artefacts, request: ReadLossCurvesRequest) -> LossHistory:
    prefix = f"{request.run.prefix}/training/"
    keys = artefacts.list_keys(prefix)
    job_id = request.training.job_arn.rpartition("/")[2]

    def curve(column: str, file: str) -> Curve:
        key = find_metrics_file(keys, file, job_id)
        if key is None:
            return missing(file, f"{artefacts.uri(prefix)} ({len(keys)} other objects)")
        return parse(artefacts.read_bytes(key).decode(errors="replace"), column, file)

    expected = request.dataset.validation is not None
    return history(
        curve("training_loss", TRAINING_FILE),
        curve("validation_loss", VALIDATION_FILE) if expected else Curve(),
    )


handler = step("Read loss curves", ReadLossCurvesRequest)(read_loss_curves)
