"""*Screen dataset*: Amazon Comprehend looks for personal data where the environment pays for it."""

from __future__ import annotations

from lambdas.aws.artefacts import Artefacts
from lambdas.aws.billing import Billing
from lambdas.aws.comprehend import Comprehend
from lambdas.aws.frozen_files import require_unchanged
from lambdas.aws.screening_journal import S3ScreeningJournal
from lambdas.domain.cost.price_book import service_price
from lambdas.domain.cost.quote import SCREENING
from lambdas.domain.errors import DatasetInvalid, ServiceUnavailable, Throttled
from lambdas.domain.models.lookup import find_model
from lambdas.domain.run.contracts import Dataset, Run, ScreenDatasetRequest, Screened
from lambdas.domain.run.dataset_files import FILE_NAMES
from lambdas.runtime.step import SecondsLeft, logger, timed_step
from lambdas.validation import ValidationReport, refusal
from lambdas.validation.formats.conversation import FileKind
from lambdas.validation.jsonl.findings import Findings
from lambdas.validation.report import FileSummary
from lambdas.validation.screening import COMPREHEND, PiiCheck, screened

# Far more than a hundred records take, eight at a time, with requests that botocore repeats. One
# that takes longer all the same is cut short, and counts as paid for.
_BATCH_SECONDS = 240


def screen_dataset(request: ScreenDatasetRequest, seconds_left: SecondsLeft) -> Screened:
    """Screen what `comprehend_max_usd` pays for; whoever is called again asks about the rest.

    Raises
    ------
    DatasetInvalid
        The environment refuses a dataset for what was found.
    OutOfTime, Throttled or ServiceUnavailable
        A whole pass had no time for one batch, or not one answer.
    """
    run = request.run
    artefacts = Artefacts(run.bucket)
    Billing(artefacts, run.prefix).begin(SCREENING, request.now)
    journal = S3ScreeningJournal(artefacts, f"{run.prefix}/screening")
    try:
        report = _screen(run, request.dataset, journal, seconds_left)
    except (Throttled, ServiceUnavailable):
        if not journal.moved:
            raise
        return Screened(done=False)
    key = artefacts.put_json(f"{run.prefix}/screening.json", report.as_json())
    if not report.valid:
        raise DatasetInvalid(refusal(report, artefacts.uri(key)))
    coverage = report.services[COMPREHEND]
    return Screened(
        records=coverage["records"],
        of_records=coverage["of_records"],
        usd=coverage["cost_usd"],
        warnings=report.findings.count("warning"),
        screening_key=key,
    )


def _screen(
    run: Run, dataset: Dataset, journal: S3ScreeningJournal, seconds_left: SecondsLeft
) -> ValidationReport:
    artefacts = journal.artefacts
    require_unchanged(artefacts, dataset.files)
    sources = {
        file.kind: artefacts.source(file.key, FILE_NAMES[file.kind])
        for file in dataset.files
        if file.kind != "answer-schema"
    }
    records: dict[FileKind, int] = {
        "training": dataset.training_records,
        "validation": dataset.validation_records,
        "evaluation": dataset.evaluation_examples,
        "general": dataset.general_examples,
    }
    report = ValidationReport(
        model=find_model(run.settings.model),
        findings=Findings(),
        files={
            source.name: FileSummary(records=records[kind], size_bytes=source.size_bytes)
            for kind, source in sources.items()
        },
        system_prompt=dataset.system_prompt,
        fail_on=frozenset(run.fail_on_warnings),
    )
    pii = PiiCheck(
        Comprehend().detect_pii,
        run.comprehend_max_usd,
        service_price("comprehend_usd_per_unit").usd,
        logger.info,
        journal,
        may_begin=lambda: seconds_left() >= _BATCH_SECONDS,
    )
    return screened(report, sources, pii)


handler = timed_step("Screen dataset", ScreenDatasetRequest)(screen_dataset)
