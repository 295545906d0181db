"""JSON Schemas of the record formats, for editors and for other validators.

They are generated from this project's rules: `python -m dataset.schemas` writes them anew. A schema
says what one record may look like. It cannot say what needs the bytes (encoding, keys that stand
twice), a model (reserved words, tokens) or other records (ids that stand twice, counts).
"""

from dataset.schemas.formats import MOST_ORDERED_MESSAGES, STRUCTURAL, documents, schemas

__all__ = ["MOST_ORDERED_MESSAGES", "STRUCTURAL", "documents", "schemas"]
