"""Patches for what MiniStack lacks or does differently from AWS, as far as this project needs it.

Imported by `local.server` and `local.fault_matrix`; its modules import MiniStack.
"""
