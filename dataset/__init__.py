"""The project's own data, and the commands that generate, prepare, check and upload data.

Rooms: `commands`, `sources`, `generation`, `schemas`. `local` imports it, `lambdas` never does.
"""
