"""Writes the table of codes in docs/dataset-validation.md from the codes of `lambdas/validation`.

`python -m docs.generate_dataset_validation` writes it; with `--check` it says whether the committed
one is up to date and writes nothing.
"""  # noqa: INP001  # a folder of documents, no package

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dataset.schemas import STRUCTURAL
from lambdas.validation import CODES, Code

PAGE = Path(__file__).parent / "dataset-validation.md"
_BEGIN, _END = "<!-- codes -->\n", "<!-- end of codes -->\n"


def page(text: str) -> str:
    """Return the page with the table as it is to be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_tables()}{_END}{after}"


def main(arguments: Sequence[str]) -> str | None:
    """Write or check; return what a failed check has to say."""
    text = PAGE.read_text(encoding="utf-8")
    new = page(text)
    if "--check" in arguments:
        stale = "Out of date; run python -m docs.generate_dataset_validation"
        return stale if new != text else None
    PAGE.write_text(new, encoding="utf-8")
    return None


def _tables() -> str:
    errors = {name: code for name, code in CODES.items() if code.severity == "error"}
    warnings = {name: code for name, code in CODES.items() if code.severity == "warning"}
    return (
        "\n| error | meaning | rule of | schema |\n| --- | --- | --- | --- |\n"
        + "".join(
            f"| `{name}` | {_meaning(code)} | {_origin(code)} | {_schema(name)} |\n"
            for name, code in errors.items()
        )
        + "\n| warning | meaning |\n| --- | --- |\n"
        + "".join(f"| `{name}` | {_cell(code.meaning)} |\n" for name, code in warnings.items())
        + "\n"
    )


def _meaning(code: Code) -> str:
    meaning = _cell(code.meaning)
    return (
        f"{meaning}. Only a warning where {_cell(code.warns_when)}" if code.warns_when else meaning
    )


def _origin(code: Code) -> str:
    return {"documented": "AWS, Anthropic"}.get(code.origin, code.origin)


def _schema(name: str) -> str:
    return "yes" if name in STRUCTURAL else "no"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
