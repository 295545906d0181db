"""Asks a model for question-answer pairs on documents, checks them and keeps them.

Imports `dataset.sources` and `lambdas`. Only `dataset.commands` imports it.
"""
