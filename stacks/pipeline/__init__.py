"""The stack of a run: its steps, their workflow, and the decision on its spend.

Imports `constructs`; guards and operations import its `steps`, the application its stack.
"""
