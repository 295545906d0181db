"""The review of training data before it is paid for: sampling, asking a judge, the summary.

Imports `evaluation`, `models`, `run`, `lambdas.validation`, `errors` and `parallel`.
"""
