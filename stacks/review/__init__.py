"""What a reviewer reads of a change: snapshots, the workflow's diagram, cdk-nag's waivers.

Imports the stacks; nothing in `stacks` imports it but the application.
"""
