"""Bytes to JSON objects: sources, byte ranges, lines, and the problems of lines.

Imports no other room of `lambdas.validation`; every room may import this one.
"""
