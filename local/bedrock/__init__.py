"""An offline Amazon Bedrock; see docs/decisions/0005-offline-aws.md.

`local` and tests import what is named below; in here nothing knows of MiniStack.
"""

import os

# The language model's matrices are small: on two threads that wait for each other its fit takes
# ten times as long. OpenBLAS reads this when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from local.bedrock.protocol import ServiceError
from local.bedrock.quotas import Quota
from local.bedrock.scenario import Fault, Scenario, Stop
from local.bedrock.service import Bedrock
from local.bedrock.state import Location, World

__all__ = ["Bedrock", "Fault", "Location", "Quota", "Scenario", "ServiceError", "Stop", "World"]
