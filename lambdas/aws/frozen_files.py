"""A run's own copy of its dataset, made before the check: no upload changes it afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lambdas.aws.artefacts import ArtefactChanged, ArtefactMissing, Artefacts, ObjectSource
from lambdas.domain.errors import DatasetChanged, DatasetInvalid
from lambdas.domain.evaluation.results import as_general
from lambdas.domain.run.contracts import Dataset, FrozenFile, Run
from lambdas.domain.run.dataset_files import (
    FILE_NAMES,
    REQUIRED,
    TRAINED_ON,
    DatasetKind,
    digest,
    frozen_key,
    run_folder,
    source_key,
)

# Of one CopyObject call: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, read
# 2026-11-28.
MAX_COPIED_BYTES = 5 * 1024**3


def read_questions(artefacts: Artefacts, dataset: Dataset) -> Iterator[Mapping[str, Any]]:
    """Return a stream of what both models are asked: examples, then general questions.

    Raises
    ------
    DatasetChanged
        A file is not what was checked and quoted.
    """
    require_unchanged(artefacts, dataset.questions)
    return (
        as_general(line) if file.kind == "general" else line
        for file in dataset.questions
        for line in artefacts.iter_records(file.key)
    )


def freeze(artefacts: Artefacts, run: Run) -> dict[DatasetKind, ObjectSource]:
    """Copy the dataset's files under the run's prefix, and return the copies.

    All are looked at before the first is copied: one that an upload replaces meanwhile stops this.

    Raises
    ------
    ArtefactChanged
        A file was replaced or removed meanwhile.
    ArtefactMissing
        There is no training or evaluation file.
    DatasetInvalid
        A file is larger than S3 copies at once.
    DatasetChanged
        What an earlier run was trained on, or asked, is not in that run's folder any more.
    """
    found = dict(_look(artefacts, run))
    copies = {
        kind: artefacts.copy(source, frozen_key(run.prefix, kind)) for kind, source in found.items()
    }
    earlier = run.answers_of_run or run.tuned_by_run
    if earlier:
        _require_as_quoted(artefacts, run, run_folder(earlier), copies)
    return copies


def _require_as_quoted(
    artefacts: Artefacts, run: Run, folder: str, copies: Mapping[DatasetKind, ObjectSource]
) -> None:
    """Compare the copies of an earlier run's data with what its quote, and so its job, was for."""
    trained = {kind: each for kind, each in copies.items() if kind in TRAINED_ON}
    others = dict(_those_of(artefacts, {*FILE_NAMES} - {*TRAINED_ON}, folder))
    hashes = {kind: str(each.sha256) for kind, each in (trained | others).items()}
    if digest(hashes) != artefacts.read_json(f"{folder}/quote.json")["dataset_sha256"]:
        earlier = "answers_of_run" if run.answers_of_run else "tuned_by_run"
        raise DatasetChanged(
            f"{artefacts.uri(folder)}/dataset/ is no longer what that run quoted and trained on, "
            f"so nobody can tell whether its model has seen the questions: leave {earlier} out to "
            "train again; the bucket's access logs say who wrote"
        )


def _those_of(
    artefacts: Artefacts, kinds: Iterable[DatasetKind], folder: str
) -> Iterator[tuple[DatasetKind, ObjectSource]]:
    """Yield the copies of these kinds that a run has."""
    for kind in kinds:
        try:
            yield kind, artefacts.source(frozen_key(folder, kind), FILE_NAMES[kind])
        except ArtefactMissing:
            if kind in REQUIRED:
                raise


def frozen_file(kind: DatasetKind, copy: ObjectSource) -> FrozenFile:
    """Describe a copy that `freeze` returned."""
    if copy.sha256 is None:  # made by something else than this function since
        raise ArtefactChanged(f"{copy.artefacts.uri(copy.key)} was replaced: start a new execution")
    return FrozenFile(kind=kind, key=copy.key, sha256=copy.sha256, size_bytes=copy.size_bytes)


def require_unchanged(artefacts: Artefacts, files: Iterable[FrozenFile]) -> None:
    """Compare S3's hashes of a run's copies with those that were checked and quoted.

    Raises
    ------
    DatasetChanged
        A copy was replaced or removed.
    """
    for file in files:
        found = _hash_of(artefacts, file)
        if found != file.sha256:
            raise DatasetChanged(
                f"{artefacts.uri(file.key)} is no longer what was checked and quoted: its SHA-256 "
                f"is {found or 'unknown, or it is gone'}, and was {file.sha256}. Start a new "
                "execution, which copies the dataset again; the bucket's access logs say who wrote"
            )


def _hash_of(artefacts: Artefacts, file: FrozenFile) -> str | None:
    try:
        return artefacts.source(file.key, FILE_NAMES[file.kind]).sha256
    except ArtefactMissing:
        return None


def _look(artefacts: Artefacts, run: Run) -> Iterator[tuple[DatasetKind, ObjectSource]]:
    for kind, name in FILE_NAMES.items():
        key = source_key(kind, run.settings.dataset, run.tuned_by_run, run.answers_of_run)
        try:
            source = artefacts.source(key, name)
        except ArtefactMissing:
            if kind in REQUIRED:
                raise
            continue
        if source.size_bytes > MAX_COPIED_BYTES:
            raise DatasetInvalid(
                f"{artefacts.uri(key)} has {source.size_bytes:,} bytes; a run takes at most "
                f"{MAX_COPIED_BYTES:,}, which is what S3 copies in one call. Remove records"
            )
        yield kind, source
