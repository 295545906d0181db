"""Where a command calls Bedrock and at which prices, by `--region`, `--env` or configuration."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import boto3

from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.errors import InputInvalid
from stacks.environment import load


@dataclass(frozen=True)
class BedrockTarget:
    region: str
    prices: PriceBook


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--region", metavar="R", help="default: that of the AWS configuration")
    target.add_argument("--env", metavar="NAME", help="region and prices of environments/NAME.toml")


def bedrock_target(options: argparse.Namespace) -> BedrockTarget:
    """Return the target that the options name.

    Raises
    ------
    EnvironmentInvalid
        There is no such environment, or its file is not valid.
    InputInvalid
        There is no region at all.
    """
    if options.env:
        environment = load(options.env)
        return BedrockTarget(environment.region, PriceBook.load(environment.prices))
    region = options.region or boto3.Session().region_name
    if not region:
        raise InputInvalid("no region is configured: give --region or --env")
    return BedrockTarget(region, PriceBook.load())
