"""JSON objects to conversations: record formats and their rules, reserved words, token estimates.

Imports `jsonl`; `findings`, `warnings` and the modules at the top may import it.
"""
