"""*Review data*, the Distributed Map, and what the machine's own role may do to run it."""

from __future__ import annotations

from aws_cdk import Intrinsic, Token
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.access import Access, runs
from stacks.constructs.permission import IamArn, Permission
from stacks.constructs.task import REDRIVEN

_LABEL = "ReviewData"
# A child execution's input holds 256 KiB (https://docs.aws.amazon.com/step-functions/latest/dg/
# service-quotas.html, read 2026-11-23): the run goes with the records.
_MAX_BATCH_BYTES = 200_000
_BATCH_RECORDS = 10  # a stop loses at most the batch that a function has begun
_BATCHES_AT_ONCE = 2  # each asks about eight records at a time
BATCH = {
    "run": "{% $states.input.BatchInput.run %}",
    # The run's: a child execution is not redriven itself, for which this machine has no permission.
    "redriven": "{% $states.input.BatchInput.redriven %}",
    "items": "{% $states.input.Items %}",
}


def review_data(scope: Construct, *, review_records: sfn.IChainable) -> sfn.DistributedMap:
    # A token: the construct would refuse an expression as a bucket's name.
    expression = Token.as_string(Intrinsic("{% $run.bucket %}"))
    bucket = s3.Bucket.from_bucket_name(scope, "RunBucket", expression)
    written = "{% $states.result.ResultWriterDetails %}"
    batches = sfn.DistributedMap.jsonata(
        scope,
        "Review data",
        label=_LABEL,
        item_reader=sfn.S3JsonLItemReader(bucket=bucket, key="{% $review_plan.items_key %}"),
        # A child execution has no variables: what it needs comes with the batch.
        item_batcher=sfn.ItemBatcher(
            max_items_per_batch=_BATCH_RECORDS,
            max_input_bytes_per_batch=_MAX_BATCH_BYTES,
            batch_input={"run": "{% $run %}", "redriven": REDRIVEN},
        ),
        max_concurrency=_BATCHES_AT_ONCE,
        tolerated_failure_percentage=100,  # Summarise review counts failures and says why
        result_writer_v2=sfn.ResultWriterV2(bucket=bucket, prefix="{% $run.prefix & '/review' %}"),
        map_execution_type=sfn.StateMachineType.STANDARD,
        assign={"review_results": written},
        outputs=written,
    )
    batches.item_processor(review_records)
    return batches


def review_data_permissions(access: Access) -> list[Permission]:
    """Return what the children need: executions of this machine, which reads and writes for them.

    By https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html (read
    2026-11-23).
    """
    results = runs("review/*")
    children = [access.executions(":*"), access.executions(f"/{_LABEL}:*")]
    upload = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    return [
        Permission(["states:StartExecution"], [IamArn(access.machine_arn)]),
        Permission(["states:DescribeExecution", "states:StopExecution"], children),
        access.get(results),
        access.put(results),
        Permission(upload, access.objects(results)),
        *access.use_key_through("s3"),
    ]
