"""One module a state, its function and nothing else.

May import everything in `lambdas`; not another handler.
"""
