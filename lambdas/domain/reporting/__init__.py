"""What people read at the end of a run: report, manifest, mail.

May import every other room of the domain.
"""
