"""What a reviewer reads of a change: snapshots, pictures of the workflow, and the review itself.

Imports the rest of `stacks`, the domain and, for the shipped data, `dataset`; nothing imports it.
"""
