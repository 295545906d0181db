"""One module a command of `python -m dataset`, and what several of them print or ask.

Imports `sources`, `generation`, `operate`, `stacks.environment` and `lambdas`. Only `dataset` and
`local` import it.
"""
