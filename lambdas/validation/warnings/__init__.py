"""What is allowed but unwise: personal data, secrets, duplicates, leaks, outliers, thin topics.

Imports `jsonl` and `formats`; only the modules at the top may import it.
"""
