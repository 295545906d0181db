"""Addresses of pages in the AWS console."""

from __future__ import annotations


def step_functions_url(region: str, page: str) -> str:
    """Return the address of a page of Step Functions, such as "statemachines/view/ARN"."""
    return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/{page}"
