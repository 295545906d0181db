from pathlib import Path

import pytest

from operate.weights.making import make_weights, of_folder
from tests.unit.domain.evaluation.similarity.tiny_bert import write_tiny_bert


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a run would read, of the tiny model."""
    folder = tmp_path_factory.mktemp("weights")
    return make_weights(of_folder(write_tiny_bert(folder / "tiny")), folder)
