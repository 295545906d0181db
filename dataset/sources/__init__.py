"""Reads data and documents of any kind, and converts and splits them.

Imports `lambdas` only. `dataset.generation`, `dataset.commands` and `local` import it.
"""
