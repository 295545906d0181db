"""BERT's forward pass in numpy: what torch would give, without torch.

Devlin et al. 2019, https://arxiv.org/abs/1810.04805; the names of tensors are those of Hugging
Face's BertModel. Texts are one below the other, and each attends to itself alone: nothing is
padded, so nothing needs to be masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from math import sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

Floats = npt.NDArray[np.float32]
Tensors = Mapping[str, Floats]

# erf(x) = 1 - (a1 t + ... + a5 t^5) exp(-x^2), t = 1 / (1 + p x), off by 1.5e-7 at most: Abramowitz
# and Stegun 1964, 7.1.26. float32 has 6e-8; scipy would be twice the layer for no closer scores.
_P = 0.3275911
_A = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)

_ROWS = 256  # in the feed-forward layers at a time: arrays of more leave the processor's cache


class BertConfig(BaseModel):
    """What is read of a model's config.json; another architecture or activation is refused."""

    model_config = ConfigDict(frozen=True)

    model_type: Literal["bert"]
    hidden_act: Literal["gelu"]
    position_embedding_type: Literal["absolute"] = "absolute"
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    intermediate_size: PositiveInt
    max_position_embeddings: PositiveInt
    type_vocab_size: PositiveInt
    layer_norm_eps: PositiveFloat = 1e-12  # Hugging Face's own default


def shapes(config: BertConfig, layers: int) -> dict[str, tuple[int, ...]]:
    """Return the tensors that the first `layers` layers need, with their shapes."""
    hidden, inner = config.hidden_size, config.intermediate_size
    embeddings = {
        "word_embeddings": config.vocab_size,
        "position_embeddings": config.max_position_embeddings,
        "token_type_embeddings": config.type_vocab_size,
    }
    found: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}.weight": (rows, hidden) for name, rows in embeddings.items()
    }
    linear = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    norms = ["embeddings.LayerNorm"]
    for prefix in (f"encoder.layer.{index}." for index in range(layers)):
        for name, shape in linear.items():
            found |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
    parts = [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")]
    return found | dict.fromkeys(parts, (hidden,))


@dataclass(frozen=True)
class Bert:
    """A model of the first `layers` layers, of the tensors that `shapes` names."""

    config: BertConfig
    layers: int
    tensors: Tensors

    def hidden_states(self, texts: Sequence[Sequence[int]]) -> list[Floats]:
        """Return the last layer's output for texts of at most `max_position_embeddings` ids each.

        It is tokens x hidden_size of each text.
        """
        ends = [*accumulate(map(len, texts))][:-1]
        states = self._embed(texts)
        for index in range(self.layers):
            states = self._layer(states, ends, f"encoder.layer.{index}.")
        return np.split(states, ends)

    def _embed(self, texts: Sequence[Sequence[int]]) -> Floats:
        word, position, kind = (
            self.tensors[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        )
        positions = np.concatenate([position[: len(ids)] for ids in texts])
        summed = word[[*chain(*texts)]] + positions + kind[0]
        return self._normalised(summed, "embeddings.LayerNorm")

    def _layer(self, states: Floats, ends: Sequence[int], prefix: str) -> Floats:
        attention = self._attention(states, ends, prefix)
        attended = self._linear(attention, f"{prefix}attention.output.dense")
        states = self._normalised(states + attended, f"{prefix}attention.output.LayerNorm")
        blocks = np.split(states, range(_ROWS, len(states), _ROWS))
        outer = np.concatenate([self._forwarded(block, prefix) for block in blocks])
        return self._normalised(states + outer, f"{prefix}output.LayerNorm")

    def _forwarded(self, states: Floats, prefix: str) -> Floats:
        inner = _gelu(self._linear(states, f"{prefix}intermediate.dense"))
        return self._linear(inner, f"{prefix}output.dense")

    def _attention(self, states: Floats, ends: Sequence[int], prefix: str) -> Floats:
        query, key, value = (
            np.split(self._linear(states, f"{prefix}attention.self.{name}"), ends)
            for name in ("query", "key", "value")
        )
        return np.concatenate([*map(self._attended, query, key, value)])

    def _attended(self, query: Floats, key: Floats, value: Floats) -> Floats:
        """Return what the tokens of one text see of each other."""
        queries, keys, values = map(self._heads, (query, key, value))
        scores = queries @ keys.transpose(0, 2, 1) / np.float32(sqrt(queries.shape[-1]))
        context: Floats = _softmax(scores) @ values
        return context.transpose(1, 0, 2).reshape(query.shape)

    def _heads(self, states: Floats) -> Floats:
        """Return heads x tokens x their share of the hidden size."""
        heads = self.config.num_attention_heads
        return states.reshape(len(states), heads, -1).transpose(1, 0, 2)

    def _linear(self, states: Floats, name: str) -> Floats:
        product: Floats = states @ self.tensors[f"{name}.weight"].T
        product += self.tensors[f"{name}.bias"]
        return product

    def _normalised(self, states: Floats, name: str) -> Floats:
        states -= states.mean(axis=-1, keepdims=True)
        variance = np.square(states).mean(axis=-1, keepdims=True)
        states /= np.sqrt(variance + np.float32(self.config.layer_norm_eps))
        states *= self.tensors[f"{name}.weight"]
        states += self.tensors[f"{name}.bias"]
        return states


def _softmax(scores: Floats) -> Floats:
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _gelu(inputs: Floats) -> Floats:
    outputs = erf(inputs * np.float32(sqrt(0.5)))
    outputs += 1
    outputs *= inputs
    outputs *= np.float32(0.5)
    return outputs


def erf(inputs: Floats) -> Floats:
    """Return the error function to 4e-7."""
    positive = np.abs(inputs)
    t = 1 / (1 + np.float32(_P) * positive)
    series = np.zeros_like(t)
    for factor in reversed(_A):
        series += np.float32(factor)
        series *= t
    positive *= -positive
    np.exp(positive, out=positive)
    series *= positive
    return np.copysign(1 - series, inputs)
