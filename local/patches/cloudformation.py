"""CloudFormation: what the templates of this project use and stock cannot provide."""

from __future__ import annotations

from typing import Any

from ministack.services import s3
from ministack.services.cloudformation import provisioners

from local.patches import original


def empty_buckets_without_a_function() -> None:
    """Handle Custom::S3AutoDeleteObjects here; its Node function finds no SDK in stock."""
    handlers = original(provisioners, "_RESOURCE_HANDLERS")

    def create(logical_id: str, _: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
        return f"{stack}-{logical_id}", {}

    def update(physical_id: str, *_: Any) -> tuple[str, dict[str, Any]]:
        return physical_id, {}

    def delete(_: str, properties: dict[str, Any]) -> None:
        bucket = s3._buckets.get(properties["BucketName"])
        if bucket:
            bucket["objects"].clear()

    handlers["Custom::S3AutoDeleteObjects"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }
