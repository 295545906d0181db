"""Model customization: jobs, the custom models they make, and the fit that gives the losses.

Imported by `local.bedrock` only.
"""
