"""Where the repository and its shipped data lie, for tests at any depth."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
DATASET = ROOT / "dataset"
