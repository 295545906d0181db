"""JSON Schemas of the record formats, for editors and other validators; `docs` imports it.

A schema says what one record may look like. It cannot check what needs the bytes (encoding,
duplicate keys), a model (reserved words, tokens) or other records (duplicate ids, counts). A test
holds each against the validator: both refuse the same records.
"""

# The codes of findings that a schema makes too.
_CODES = """content-block empty first-role id-too-long last-role lone-surrogate message
messages not-a-list not-an-object not-text role role-repeats schema-version too-few-messages
unknown-key wrong-format"""
STRUCTURAL = frozenset(_CODES.split())
