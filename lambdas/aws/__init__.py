"""Adapters: calls to AWS, its answers as values of the domain, its errors by our names.

May import `lambdas.domain` and `lambdas.validation`; decides nothing.
"""
