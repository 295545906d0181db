"""What a check reports: codes, findings counted per file, and the report made of them.

Imports `jsonl` and `formats`; `warnings` and the modules at the top may import it.
"""
