"""The stack that stops, deletes and cleans up when a run cannot.

Imports `constructs` and the pipeline's `steps`; operations imports its `steps`.
"""
