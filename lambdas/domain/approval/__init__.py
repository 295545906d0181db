"""Approving a quote: the request, the decision, the mail.

May import `cost` and what comes before it.
"""
