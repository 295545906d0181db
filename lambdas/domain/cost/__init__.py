"""Prices and what is computed from them: price book, calculator, estimate, quote, actuals.

May import `data_review`, `evaluation`, `hosting` and what comes before them.
"""
