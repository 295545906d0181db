"""What serves tuned models, of any kind: found and deleted by the name of its run."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from lambdas.aws.clients import Deleted, answered_at, client, delete, is_gone, translated
from lambdas.aws.named_resources import NamedResources
from lambdas.domain.errors import ModelGone, RequestRefused
from lambdas.domain.hosting.course import Deletion
from lambdas.domain.hosting.terms import Hosted
from lambdas.domain.run.names import PROJECT

_logger = logging.getLogger(PROJECT)  # the one that `lambdas.runtime` sets up


@contextmanager
def hosting_model(model: str, doing: str) -> Iterator[None]:
    """Raise as `translated`, and ModelGone where the model was deleted."""
    try:
        with translated(doing):
            yield
    except ClientError as error:
        if not is_gone(error):
            raise
        raise ModelGone(
            f"could not {doing}: somebody deleted its model {model} (CloudTrail names the caller "
            "of DeleteCustomModel). Start a new execution, without tuned_by_run, to train it again"
        ) from error


@dataclass(frozen=True)
class HostedResources(ABC):
    """The account's hosting of one kind; each method raises the named errors of `translated`."""

    resources: ClassVar[NamedResources]
    delete_call: ClassVar[str]  # of boto3
    bedrock: Any = field(default_factory=lambda: client("bedrock"))

    def find(self, name_or_arn: str) -> Hosted | None:
        """Return what is called so, or None if there is none."""
        found = self.resources.find(self.bedrock, name_or_arn)
        return found and self._hosted(found)

    def release(self, name: str) -> Deletion:
        """Delete what is called `name`, even if it cannot be described.

        AWS has accepted the deletion then, and does not take it back. That it is gone is not waited
        for: it bills no more, and what outlives it is the reaper's.

        Raises
        ------
        HostingBusy
            AWS refuses for now; try again later.
        """
        hosted = self._look(name)
        try:
            deleted = delete(
                f"delete {self.resources.kind} {name}",
                getattr(self.bedrock, self.delete_call),
                changing=hosted is not None and hosted.is_changing,
                **{self.resources.identifier: hosted.arn if hosted else name},
            )
        except RequestRefused as error:
            if hosted or self.resources.listed(self.bedrock, name):
                raise
            deleted = Deleted(found=False, at=answered_at(error.__cause__))
        return Deletion(found=deleted.found, at=deleted.at, hosted=hosted)

    @abstractmethod
    def _hosted(self, found: Mapping[str, Any]) -> Hosted:
        """Return what Bedrock describes."""

    def _look(self, name: str) -> Hosted | None:
        try:
            return self.find(name)
        except Exception:  # a failed describe must not prevent the deletion
            _logger.exception("could not describe the hosting; deleting it by its name")
            return None
