"""The stack of buckets and key, which outlives the others.

Imports `constructs`; only the application imports it.
"""
