"""The kinds of hosting that there are; what bills by the hour first."""

from __future__ import annotations

from collections.abc import Mapping

from lambdas.domain.hosting.deployment import DEPLOYMENT
from lambdas.domain.hosting.terms import Terms
from lambdas.domain.hosting.throughput import THROUGHPUT
from lambdas.domain.models.model import HostingKind

KINDS: Mapping[HostingKind, Terms] = {each.kind: each for each in (THROUGHPUT, DEPLOYMENT)}
