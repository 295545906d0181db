"""The offline AWS: MiniStack on a loopback port, with our own Bedrock emulator.

`make rehearse`, `python -m local up` and the tests use it; it never reaches a real account.
"""
