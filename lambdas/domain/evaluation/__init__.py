"""Answers of both models, the judge that scores them, and the verdict on their scores.

Imports `hosting`, `run`, `models`, `errors`, `parallel` and `lambdas.validation`.
"""
