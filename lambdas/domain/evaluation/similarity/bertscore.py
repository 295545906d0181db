"""BERTScore: how well the tokens of two texts match by their contextual embeddings.

Zhang et al. 2020, https://arxiv.org/abs/1904.09675, as its reference implementation bert_score
0.3.13 computes it without idf weights and without rescaling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from lambdas.domain.errors import WeightsUnusable
from lambdas.domain.evaluation.similarity.bert import Bert, Floats

_UNWEIGHTED = ("[CLS]", "[SEP]")
_SPECIAL_TOKENS = 2  # around every text


class Scores(NamedTuple):
    """Cosines, so at most 1; 0 in place of a text that has no tokens."""

    precision: float
    recall: float
    f1: float


_NOTHING = Scores(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Embedded:
    """A text's tokens: unit vectors (tokens x hidden size), and the weight of each, 1 or 0."""

    vectors: Floats
    weights: Floats

    @property
    def is_empty(self) -> bool:
        return len(self.weights) <= _SPECIAL_TOKENS


class BertScore:
    """Scores texts by a model and its tokenizer; longer ones are cut to what the model takes."""

    def __init__(self, bert: Bert, tokenizer: str) -> None:
        """Read `tokenizer`, the text of a tokenizer.json.

        Raises
        ------
        WeightsUnusable
            It has other tokens than the model.
        """
        self._bert = bert
        self._tokenizer = Tokenizer.from_str(tokenizer)
        # The file may carry those of another use: that of MiniLM pads and cuts to 128 tokens.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(bert.config.max_position_embeddings)
        # By id, so that a "[SEP]" in a text has no weight either. All stay candidates of a match.
        vocabulary = self._tokenizer.get_vocab()
        self._unweighted = [vocabulary[token] for token in _UNWEIGHTED if token in vocabulary]
        if len(self._unweighted) < len(_UNWEIGHTED) or len(vocabulary) > bert.config.vocab_size:
            raise WeightsUnusable("tokenizer.json is of another model than config.json")

    def embed(self, *texts: str) -> list[Embedded]:
        """Return texts' embeddings, each of which may be scored against any number of others.

        Together they take less time: three of 20 words two thirds of it.
        """
        ids = [self._tokenizer.encode(text.strip()).ids for text in texts]
        return [*map(self._embedded, ids, self._bert.hidden_states(ids))]

    def _embedded(self, ids: Sequence[int], vectors: Floats) -> Embedded:
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        return Embedded(vectors, (~np.isin(ids, self._unweighted)).astype(np.float32))

    def score(self, answer: Embedded, reference: Embedded) -> Scores:
        if answer.is_empty or reference.is_empty:
            return _NOTHING
        similarities = answer.vectors @ reference.vectors.T
        precision = _mean(similarities.max(axis=1), answer.weights)
        recall = _mean(similarities.max(axis=0), reference.weights)
        both = precision + recall
        return Scores(precision, recall, 2 * precision * recall / both if both else 0.0)


def _mean(values: Floats, weights: Floats) -> float:
    """Return the weighted mean; 0 where nothing has a weight, as in a text of "[SEP]" alone."""
    total = weights.sum()
    return float(values @ weights / total) if total else 0.0
