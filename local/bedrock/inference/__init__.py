"""Inference: Converse and InvokeModel, what the models answer, and the judge.

Imported by `local.bedrock` only.
"""
