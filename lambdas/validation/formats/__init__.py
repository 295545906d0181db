"""JSON objects to conversations: record formats and their rules, reserved words, token estimates.

Imports `jsonl`; `warnings` and the modules at the top may import it.
"""
