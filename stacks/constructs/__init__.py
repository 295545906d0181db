"""What the other rooms build from: steps, roles, functions, machines, layers, logs.

Imports the environment, names and `lambdas/domain`; every other room may import it.
"""
