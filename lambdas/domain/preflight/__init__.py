"""Whether a run can succeed here and now.

May import `housekeeping` and what comes before it.
"""
