"""Documents for tests: minimal PDFs, and texts whose facts are all different."""

from __future__ import annotations

from collections.abc import Sequence

_PARTS = ("pump", "valve", "boiler", "turbine", "filter", "sensor", "motor", "tank", "cable", "fan")
_PLACES = ("harbour", "workshop", "laboratory", "warehouse", "greenhouse", "observatory", "mill")
_DUTIES = (
    "carries cold water to the upper floors",
    "keeps the pressure below the permitted limit",
    "turns heat from the furnace into steam",
    "removes dust before the air is measured",
    "reports every failure to the control room",
    "stores enough oil for a winter without delivery",
    "protects the instruments against lightning",
)


def sentence(number: int) -> str:
    """Return a fact; those of different numbers have words and figures of their own."""
    part, place = _PARTS[number % 10], _PLACES[number % 7]
    return (
        f"The {part} of {place} {number + 100} {_DUTIES[number // 3 % 7]}, and its inspection "
        f"takes {number * 7 + 23} minutes every {number * 11 + 31} days."
    )


def text_of(numbers: Sequence[int]) -> str:
    """Return a text of one paragraph for each fact."""
    return "\n\n".join(sentence(number) for number in numbers)


def pdf_of(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF with these lines on its pages, made by hand of nothing but its objects."""
    count = len(pages)
    kids = " ".join(f"{3 + 2 * at} 0 R" for at in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
    ]
    font = "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for at, lines in enumerate(pages):
        shown = " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
        drawn = f"BT /F1 11 Tf 14 TL 50 780 Td {shown} ET"
        shape = f"/MediaBox [0 0 595 842] /Resources {font} /Contents {4 + 2 * at} 0 R"
        objects += [
            f"<< /Type /Page /Parent 2 0 R {shape} >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        ]
    return _assembled(objects)


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _assembled(objects: Sequence[str]) -> bytes:
    out, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{each}\nendobj\n".encode()
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {size}\n0000000000 65535 f \n{rows}{trailer}".encode()
