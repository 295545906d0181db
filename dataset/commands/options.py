"""What several commands ask by options: numbers, models, and where Bedrock is called."""

from __future__ import annotations

import argparse
import math

import boto3

from lambdas.domain.cost.calculator import Calculator
from lambdas.domain.cost.price_book import PriceBook
from lambdas.domain.errors import InputInvalid
from lambdas.domain.models.lookup import find_judge
from stacks.environment import load


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--region", metavar="R", help="default: that of the AWS configuration")
    target.add_argument("--env", metavar="NAME", help="region and prices of environments/NAME.toml")


def bedrock_prices(options: argparse.Namespace) -> Calculator:
    """Return the region that the options name, with its prices.

    Raises
    ------
    EnvironmentInvalid
        There is no such environment, or its file is not valid.
    InputInvalid
        There is no region at all.
    """
    if options.env:
        environment = load(options.env)
        return Calculator(PriceBook.load(environment.prices), environment.region)
    region = options.region or boto3.Session().region_name
    if not region:
        raise InputInvalid("no region is configured: give --region or --env")
    return Calculator(PriceBook.load(), region)


def judge_id(key: str, region: str) -> str:
    """Return what Converse takes for a judge; InputInvalid if there is none in the region."""
    inference = find_judge(key).inference
    if not inference.available_in(region):
        raise InputInvalid(
            f"{key} is called through {inference.model_id}, which {region} does not have: choose "
            f"one of {', '.join(inference.regions)}"
        )
    return inference.model_id


def dollars(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = 0.0
    if not 0 < amount < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount above 0")
    return amount
