"""The customization job: its phases, its waits, its loss curves.

May import `run` and what comes before it.
"""
