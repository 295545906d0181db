"""What a check reports: codes, and the report made of findings.

Imports `jsonl` and `formats`; `warnings` and the modules at the top may import it.
"""
