"""The loss curves as a picture: SVG for the report, PNG for everything else.

The only module that imports matplotlib, which is in a layer of its own.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lambdas.domain.training.losses import LossHistory

TRAINING_COLOUR = "#0072b2"  # Okabe and Ito's blue and vermilion, safe for colour blindness
VALIDATION_COLOUR = "#d55e00"
_GREY = "#6b6b6b"  # legible on white and on a dark page
_STYLE: Any = {  # matplotlib types the keys one by one
    "svg.hashsalt": "bedrock-tuning",  # same losses, same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY,
    "text.color": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


def draw(losses: LossHistory) -> tuple[bytes, bytes]:
    """Return the curves as SVG (transparent) and PNG (on white); deterministic."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        _draw_on(figure.add_subplot(), losses)
        svg = _saved(figure, "svg", transparent=True, metadata={"Date": None, "Creator": None})
        png = _saved(figure, "png", facecolor="white", dpi=150, metadata={"Software": None})
        return svg, png


def _draw_on(axes: Axes, losses: LossHistory) -> None:
    trained = [
        (each.epoch, each.training_loss) for each in losses.epochs if each.training_loss is not None
    ]
    if trained:
        _draw_steps(axes, losses)
        mean = "training (mean of epoch)"
        axes.plot(*zip(*trained, strict=True), "o-", color=TRAINING_COLOUR, label=mean)
    validated = [
        (each.epoch, each.validation_loss)
        for each in losses.epochs
        if each.validation_loss is not None
    ]
    if validated:
        axes.plot(*zip(*validated, strict=True), "s--", color=VALIDATION_COLOUR, label="validation")
        _mark_best(axes, losses)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if losses.epochs:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "no losses to show", transform=axes.transAxes, ha="center")


def _draw_steps(axes: Axes, losses: LossHistory) -> None:
    """Draw each step's loss faintly, an epoch's steps spread over the way to its mark."""
    per_epoch: dict[int, list[float]] = {}
    for each in losses.steps:
        per_epoch.setdefault(each.epoch, []).append(each.loss)
    points = [
        (epoch - 1 + (index + 1) / len(steps), loss)
        for epoch, steps in sorted(per_epoch.items())
        for index, loss in enumerate(steps)
    ]
    axes.plot(*zip(*points, strict=True), color=TRAINING_COLOUR, alpha=0.5, lw=1, label="each step")


def _mark_best(axes: Axes, losses: LossHistory) -> None:
    best = losses.best
    if best is None or best.validation_loss is None:
        return
    axes.annotate(
        f"best epoch {best.epoch}: {best.validation_loss:.3f}",
        xy=(best.epoch, best.validation_loss),
        xytext=(0, 14),
        textcoords="offset points",
        ha="center",
        color=_GREY,
    )
    axes.plot(best.epoch, best.validation_loss, "s", ms=11, mfc="none", color=VALIDATION_COLOUR)


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:  # noqa: ANN401  # savefig's own
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
