"""`make faults`: everything that may go wrong, one thing at a time, on the deployed machine.

`cases` says what goes wrong, `runner` lets it happen and looks at what is left, `report` renders.
"""
