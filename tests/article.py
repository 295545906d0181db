"""The published report's data and results, where they lie beside the checkout; never part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

ARTICLE = Path(__file__).parent.parent.parent / "shared" / "data" / "article"
needs_article = pytest.mark.skipif(
    not ARTICLE.exists(), reason="the published report's data does not lie beside this checkout"
)
