"""What an environment has on Bedrock: its costs, the reaper, the clean-up, purchases by others.

May import `cost` and what comes before it.
"""
