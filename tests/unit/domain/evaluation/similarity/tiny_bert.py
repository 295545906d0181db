"""A BERT of two small layers with random weights, as save_pretrained() left it in 2018.

`parity.json` beside this file is what operate/weights/write_parity.py says of it: run this file
with a folder to write the model there, and then that with `--layers 2`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers.implementations import BertWordPieceTokenizer

from lambdas.domain.evaluation.similarity.bert import BertConfig, Tensors, shapes

PARITY = Path(__file__).parent / "parity.json"
LAYERS = 2  # of three
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForPreTraining"],
    "hidden_act": "gelu",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "vocab_size": 0,
    "layer_norm_eps": 1e-12,
}
_LETTERS = (
    "abcdefghijklmnopqrstuvwxyz0123456789.,:;-_=()[]<>/?&%#*'が是は料金微調整件学習模型训练数据"
)
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *_LETTERS,
    *(f"##{letter}" for letter in _LETTERS),
]


def write_tiny_bert(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, "vocab_size": len(VOCABULARY)}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(_tokenizer())
    # The reference's own, slow tokenizer reads these two.
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 32})
    )
    (folder / "parity.json").write_bytes(PARITY.read_bytes() if PARITY.exists() else b"")
    save_file(_tensors(BertConfig.model_validate(config)), folder / "model.safetensors")
    return folder


def _tokenizer() -> str:
    """Cut to 8 tokens and padded to 16, which is for another use and must not count."""
    tokenizer = BertWordPieceTokenizer({token: place for place, token in enumerate(VOCABULARY)})
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    return str(tokenizer.to_str())


def _tensors(config: BertConfig) -> Tensors:
    random = np.random.default_rng(7)
    tensors = {
        _old(name): _mean(name) + random.standard_normal(shape, dtype=np.float32) / 4
        for name, shape in shapes(config, config.num_hidden_layers).items()
    }
    return {**tensors, "cls.seq_relationship.bias": np.zeros(2, dtype=np.float32)}


def _mean(name: str) -> np.float32:
    return np.float32(name.endswith("LayerNorm.weight"))


def _old(name: str) -> str:
    for new, old in ((".LayerNorm.weight", ".gamma"), (".LayerNorm.bias", ".beta")):
        name = name.replace(new, f".LayerNorm{old}")
    return f"bert.{name}"


if __name__ == "__main__":
    write_tiny_bert(Path(sys.argv[1]))
