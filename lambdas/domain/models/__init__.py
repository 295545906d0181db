"""The models that can be tuned and that judge: types, figures with sources, look-ups by name.

May import `errors`.
"""
