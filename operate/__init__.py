"""Commands against a deployed environment, and how its outputs are found.

Imports `stacks.environment`, `stacks.names` and `lambdas`. `dataset` and `local` import it.
"""
