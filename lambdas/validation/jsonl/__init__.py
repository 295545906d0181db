"""Bytes to JSON objects: sources, byte ranges, lines, and what is found wrong.

Imports no other room of `lambdas.validation`; every room may import this one.
"""
