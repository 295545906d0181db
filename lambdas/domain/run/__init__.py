"""One run: its input, names and tags, the contracts of its states, its mails.

May import `errors`, `models` and `lambdas.validation`.
"""
