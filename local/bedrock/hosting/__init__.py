"""Hosting of custom models: provisioned throughput and deployments on demand.

Imported by `local.bedrock` only.
"""
