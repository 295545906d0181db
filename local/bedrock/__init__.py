"""An offline Amazon Bedrock with a life of its own.

It validates each request against botocore's service model and the documented rules, moves jobs,
throughputs and deployments through their statuses on the clock it is given, checks datasets as the
service does, writes the real artefact files, publishes the real event, meters what would have been
billed, keeps quotas and lifecycle, and fails on demand (`Scenario`). Losses come from really
fitting a small language model to the uploaded data, and the tuned model answers from what it was
trained on.

It knows nothing of MiniStack; `local/server.py` plugs it in.
"""

import os

# The language model's matrices are small: on two threads that wait for each other its fit takes
# ten times as long. OpenBLAS reads this when numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from local.bedrock.scenario import Fault, Scenario
from local.bedrock.service import Bedrock

__all__ = ["Bedrock", "Fault", "Scenario"]
