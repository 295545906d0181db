"""JSON Schemas of the record formats, for editors and other validators; `docs` imports it.

They are generated from this project's rules: `python -m dataset.schemas` writes them again. A
schema says what one record may look like. It cannot check what needs the bytes (encoding, duplicate
keys), a model (reserved words, tokens) or other records (duplicate ids, counts).
"""
