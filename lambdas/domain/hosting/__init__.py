"""Serving the tuned model: from purchase to release.

May import `run` and what comes before it.
"""
