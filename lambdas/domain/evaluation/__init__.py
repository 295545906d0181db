"""Answers of both models, the judge that scores them, and the verdict on their scores.

Imports `run`, `errors`, `parallel` and `lambdas.validation`.
"""
