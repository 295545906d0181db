"""AWS services that MiniStack lacks, besides Bedrock: Comprehend and Service Quotas.

Imported by `local.ministack.gateway`.
"""
