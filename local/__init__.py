"""The offline AWS: MiniStack on a loopback port, with a Bedrock that has a life of its own.

`make rehearse` plays a whole run on it; `python -m local up` leaves it running for any AWS client;
the tests in `tests/workflow/` deploy into it. It never reaches a real account.
"""
