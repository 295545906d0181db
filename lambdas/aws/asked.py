"""A dataset's check with the AWS services that can be asked beside the rules, as an option.

Amazon Comprehend looks for names and addresses, and costs. Bedrock's CountTokens counts the
training tokens that are otherwise estimated, where it knows the model. The state and the command
line both check a dataset by `check_and_ask`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lambdas.aws.clients import client
from lambdas.aws.comprehend import USD_PER_UNIT, Comprehend, Screening, units_of
from lambdas.aws.token_counts import count_tokens
from lambdas.domain.models.catalogue import Model
from lambdas.validation import Conversation, Options, Progress, Report, Source, Turn, check
from lambdas.validation.formats.fields import Kind, field_of
from lambdas.validation.formats.tokens import least_tokens
from lambdas.validation.sampling import pick

MOST_COUNTED = 1_000  # records whose tokens are counted, one request each
_KINDS: tuple[Kind, ...] = ("training", "validation", "evaluation")
_PROBE = Conversation(None, (Turn("user", "Hello?"), Turn("assistant", "Hello.")))


@dataclass(frozen=True)
class Asked:
    """What services are asked; nothing by default."""

    comprehend_max_usd: float = 0  # of all files together, by the list price; 0: it is not asked
    count_tokens: bool = False
    say: Callable[[str], object] = lambda _: None  # told what a service will cost, and did
    clients: Callable[[str], Any] = field(default=client, repr=False)


_DEFAULTS, _NOTHING = Options(), Asked()


def check_and_ask(
    model: Model,
    sources: Mapping[Kind, Source],
    options: Options = _DEFAULTS,
    asked: Asked = _NOTHING,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Check a dataset as `lambdas.validation.check` does, and ask the services wished for.

    A dataset that the rules refuse costs nothing: no service is asked about it.

    Raises
    ------
    Exception
        What `check` raises.
    CountingUnsupported
        Tokens are to be counted, and Bedrock does not count them for this model.
    AccessDenied
        The caller may not ask the service.
    """
    if asked.count_tokens:  # of a model that is not counted, the refusal comes before the work
        _count(model, _PROBE, asked)
    validation, evaluation = sources.get("validation"), sources.get("evaluation")
    report = check(model, sources["training"], validation, evaluation, options, progress)
    if not report.valid:
        return report
    # `check` keeps the files in this order, and may call two of one name differently.
    names = dict(zip((kind for kind in _KINDS if kind in sources), report.files, strict=True))
    if asked.count_tokens:
        report = _counted(report, names["training"], sources["training"], asked)
    if asked.comprehend_max_usd:
        report = _screened(report, names, sources, asked)
    return report


def _count(model: Model, conversation: Conversation, asked: Asked) -> int:
    model_id = model.base_inference.foundation_model_id
    return count_tokens(asked.clients("bedrock-runtime"), model_id, conversation)


def _counted(report: Report, name: str, source: Source, asked: Asked) -> Report:
    """Replace the estimate of the records that are counted; the others keep theirs."""
    records, _ = pick(source, "training", report.model, lambda _: 1, MOST_COUNTED)
    asked.say(f"Bedrock counts the tokens of {len(records):,} training records; it is free.")
    counted = sum(_count(report.model, each, asked) for _, each in records)
    summary = report.files[name]
    least = sum(least_tokens(each.texts) for _, each in records)
    every = len(records) == summary.records
    rest = 0.0 if every else max(0.0, 1 - least / max(summary.least_tokens, 1))
    tokens = counted + round(rest * summary.tokens)
    expected = counted + round(rest * summary.expected_tokens)
    changed = replace(summary, tokens=tokens, expected_tokens=min(expected, tokens))
    services = {"CountTokens": {"records": len(records), "of_records": summary.records}}
    return replace(
        report,
        files={**report.files, name: changed},
        services={**report.services, **services},
    )


def _screened(
    report: Report, names: Mapping[Kind, str], sources: Mapping[Kind, Source], asked: Asked
) -> Report:
    """Add what Amazon Comprehend finds; what one file leaves of the money is the next one's."""
    most = asked.comprehend_max_usd
    asked.say(
        f"Amazon Comprehend will cost ${most:.2f} at most, at its list price of "
        f"${USD_PER_UNIT:.4f} for 100 characters; records beyond that are not looked at."
    )
    looked_at, records, spent = 0, 0, 0.0
    # The smallest first: evaluation and validation are short, and training takes what is left.
    for kind in sorted(names, key=lambda each: report.files[names[each]].size_bytes):
        left = most - spent
        found = _screen(report, names[kind], kind, sources[kind], asked, left)
        looked_at, records = looked_at + found.records, records + found.of_records
        spent += found.cost_usd
    report.findings.sort(list(report.files))
    asked.say(f"Amazon Comprehend looked at {looked_at:,} of {records:,} records for ${spent:.4f}.")
    services = {
        "Comprehend": {"records": looked_at, "of_records": records, "cost_usd": round(spent, 4)}
    }
    return replace(report, services={**report.services, **services})


def _screen(  # noqa: PLR0913, PLR0917  # one file, and what may be spent on it
    report: Report, name: str, kind: Kind, source: Source, asked: Asked, max_cost_usd: float
) -> Screening:
    budget = round(max_cost_usd / USD_PER_UNIT)
    records, _ = pick(source, kind, report.model, units_of, budget)
    service = Comprehend(asked.clients("comprehend"))
    found = service.screen(records, field_of(kind, report.model.record_format))
    for line, problem in found.problems:
        report.findings.add_counted(name, 0, [(line, problem)], {(problem.code, "warning"): 1})
    every = report.files[name].records
    if found.records < every:
        report.findings.add_file(
            name,
            "not-screened",
            f"Amazon Comprehend looked at {found.records} of {every} records: the others are "
            "neither in English nor in Spanish, beyond the ceiling, or it was too busy",
            "raise the ceiling, or look at the others yourself",
            "warning",
        )
    return replace(found, of_records=every)
