"""The frame around a handler: parsing, logging, settings, prices.

May import `lambdas.domain`; handlers import it.
"""
