"""`make faults`: every fault, one at a time, on the deployed machine; renders docs/faults.md.

A command of its own; tests import it.
"""
