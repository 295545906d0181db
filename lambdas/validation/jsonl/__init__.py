"""Bytes to JSON objects: sources, byte ranges, lines, parsers, and the problems of one line.

Imports no other room of `lambdas.validation`; every room may import this one.
"""
