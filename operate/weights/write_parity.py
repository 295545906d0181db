"""Write what bert_score says of some pairs, FOLDER/parity.json, once for a model.

A run compares its own scores with these before it uses the model. Nothing else of the project needs
torch, which is gigabytes: run this where it is installed, apart from the project.

  python3 -m venv /tmp/parity
  /tmp/parity/bin/pip install torch==2.13.0 transformers==4.57.6 bert-score==0.3.13
  /tmp/parity/bin/python operate/weights/write_parity.py --layers 9 bert-base-multilingual-cased

FOLDER holds the model as Hugging Face's save_pretrained() leaves it. LAYERS is how many of its
layers to use: bert_score's own table, model2layers in bert_score/utils.py, has the best for many
models, 9 for bert-base-multilingual-cased.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from bert_score import BERTScorer

PAIRS = Path(__file__).parent / "all-minilm-l6-v2.parity.json"
_MADE_BY = ("bert-score", "torch", "transformers")


def parity(folder: Path, layers: int, pairs: list[dict[str, str]]) -> dict[str, object]:
    """Score `pairs` of an answer and a reference, one at a time."""
    scorer = BERTScorer(model_type=str(folder), num_layers=layers, batch_size=1, device="cpu")
    return {
        "made_by": {name: version(name) for name in _MADE_BY},
        "layers": layers,
        "pairs": [{**pair, **_scores(scorer, pair)} for pair in pairs],
    }


def _scores(scorer: BERTScorer, pair: dict[str, str]) -> dict[str, float]:
    found = scorer.score([pair["answer"]], [pair["reference"]])
    return dict(zip(("precision", "recall", "f1"), (each.item() for each in found), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--layers", type=int, required=True, help="how many layers to use")
    given = parser.parse_args()
    pairs = json.loads(PAIRS.read_text(encoding="utf-8"))["pairs"]
    texts = [{"answer": pair["answer"], "reference": pair["reference"]} for pair in pairs]
    found = parity(given.folder, given.layers, texts)
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    (given.folder / "parity.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
