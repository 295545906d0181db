"""What each function may do, function by function: the whole of it can be reviewed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_iam as iam

from stacks.constructs.access import Access, allow
from stacks.environment import Validation

_JOBS = "model-customization-job"
_MODELS = "custom-model"
_THROUGHPUTS = "provisioned-model"
_DEPLOYMENTS = "custom-model-deployment"
_EVALUATION = "datasets/*/evaluation.jsonl"

Statements = list[iam.PolicyStatement]


@dataclass(frozen=True)
class Grants:
    """Makes each function's statements; logs and traces are the factory's business."""

    access: Access
    topic_arn: str
    machine_arn: str
    service_role_arn: str = ""  # of the pipeline's functions only
    validation: Validation = field(default_factory=Validation)  # the same

    def of(self, step: str) -> Statements:
        """Return what the function behind the state `step` may do."""
        by_step: Mapping[str, Callable[[], Statements]] = {
            "Check preflight": self._check_preflight,
            "Validate dataset": self._validate_dataset,
            "Plan review": self._plan_review,
            "Review records": self._review_records,
            "Summarise review": self._summarise_review,
            "Start training": self._start_training,
            "Check training": self._stop_job,
            "Stop training": self._stop_job,
            "Read loss curves": self._read_loss_curves,
            "Answer with base model": self._answer_with_base_model,
            "Buy throughput": self._buy_throughput,
            "Check throughput": self._look_at_throughput,
            "Answer with tuned model": self._answer_with_tuned_model,
            "Release throughput": self._release_throughput,
            "Judge answers": self._judge_answers,
            "Decide verdict": self._decide_verdict,
            "Write report": self._write_report,
            "Quote cost": lambda: self._writes("runs/*/quote.json"),
            "Approve spend": self._approve_spend,
            "Decide spend": self._decide_spend,
            "Notify": self._publish,
            "Stop run": lambda: [*self._stop_job(), *self._release_throughput()],
            "Reap leftovers": self._reap_leftovers,
            "List resources": self._list_resources,
            "Delete resources": self._delete_resources,
            "Inspect purchase": self._publish,
        }
        return by_step[step]()

    def review_data(self) -> Statements:
        """Return what the machine's own role may do to run *Review data*, its Distributed Map.

        By https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html (read
        2026-11-23): the children are executions of this machine, which reads their items and writes
        their results itself.
        """
        access = self.access
        execution = self.machine_arn.replace(":stateMachine:", ":execution:")
        children = [f"{execution}:*", f"{execution}/ReviewData:*"]
        results = "runs/*/review/*"
        upload = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        return [
            allow(["states:StartExecution"], [self.machine_arn]),
            allow(["states:DescribeExecution", "states:StopExecution"], children),
            access.read(results),
            access.write(results),
            allow(upload, access.objects(results)),
            *access.use_key_through("s3"),
        ]

    def _check_preflight(self) -> Statements:
        return [
            self.access.list_keys("datasets/*"),
            allow(["bedrock:GetFoundationModel"], self.access.models_asked_about()),
            # AWS offers no narrower resource for reading quotas.
            allow(["servicequotas:ListServiceQuotas"], ["*"]),
        ]

    def _validate_dataset(self) -> Statements:
        return [
            *self._reads("datasets/*"),
            *self._writes("runs/*/validation.json"),
            *(self.access.count_tokens() if self.validation.count_tokens else []),
            # Amazon Comprehend knows no resource for it.
            *(
                [allow(["comprehend:DetectPiiEntities"], ["*"])]
                if self.validation.comprehend_max_usd
                else []
            ),
        ]

    def _plan_review(self) -> Statements:
        return [*self._reads("datasets/*"), *self._writes("runs/*/review/items.jsonl")]

    def _review_records(self) -> Statements:
        batches = "runs/*/review/batches/*"
        return [*self._reads(batches), *self._writes(batches), *self.access.invoke_judges()]

    def _summarise_review(self) -> Statements:
        # Step Functions chooses where below the prefix it leaves the results of a map.
        return [
            *self._reads("runs/*/review/*"),
            *self._writes("runs/*/review.json", "runs/*/review/rows.jsonl"),
        ]

    def _start_training(self) -> Statements:
        jobs = self.access.bedrock_arn(_JOBS)
        own = [jobs, self.access.bedrock_arn(_MODELS)]
        to_bedrock = {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
        return [
            # Bedrock authorizes the call on the base model, the job and the model to be.
            allow(["bedrock:CreateModelCustomizationJob"], [*self.access.tunable_models(), *own]),
            allow(["bedrock:TagResource"], own),
            allow(["bedrock:GetModelCustomizationJob"], [jobs]),
            allow(["iam:PassRole"], [self.service_role_arn], to_bedrock),
            *self.access.customize_with_key(),
        ]

    def _stop_job(self) -> Statements:
        actions = ["bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"]
        return [allow(actions, [self.access.bedrock_arn(_JOBS)])]

    def _read_loss_curves(self) -> Statements:
        return [*self._reads("runs/*/training/*"), *self._writes("runs/*/losses.*")]

    def _answer_with_base_model(self) -> Statements:
        return [
            *self._reads(_EVALUATION, "runs/*/answers-base.jsonl"),
            *self._writes("runs/*/answers-base.jsonl"),
            *self.access.invoke_base_models(),
        ]

    def _buy_throughput(self) -> Statements:
        throughputs = self.access.bedrock_arn(_THROUGHPUTS)
        models = self.access.bedrock_arn(_MODELS)
        return [
            allow(["bedrock:CreateProvisionedModelThroughput"], [models]),
            allow(["bedrock:TagResource"], [throughputs]),
            *self._look_at_throughput(),
            *self.access.decrypt_model(),
        ]

    def _look_at_throughput(self) -> Statements:
        # Without a condition on tags: looking for one that is gone must say "not found", and what
        # is not there has no tags.
        throughputs = self.access.bedrock_arn(_THROUGHPUTS)
        return [allow(["bedrock:GetProvisionedModelThroughput"], [throughputs])]

    def _answer_with_tuned_model(self) -> Statements:
        return [
            *self._reads(_EVALUATION, "runs/*/answers-tuned.jsonl"),
            *self._writes("runs/*/answers-tuned.jsonl"),
            allow(["bedrock:InvokeModel"], [self.access.bedrock_arn(_THROUGHPUTS)]),
            *self.access.decrypt_model(),
        ]

    def _release_throughput(self) -> Statements:
        throughputs = self.access.bedrock_arn(_THROUGHPUTS)
        delete = ["bedrock:DeleteProvisionedModelThroughput"]
        return [
            *self._look_at_throughput(),
            allow(delete, [throughputs], self.access.own_hosting()),
        ]

    def _judge_answers(self) -> Statements:
        return [
            *self._reads("runs/*/answers-*.jsonl", "runs/*/judgements.jsonl"),
            *self._writes("runs/*/judgements.jsonl"),
            *self.access.invoke_judges(),
        ]

    def _decide_verdict(self) -> Statements:
        return [*self._reads("runs/*/judgements.jsonl"), *self._writes("runs/*/verdict.json")]

    def _write_report(self) -> Statements:
        return [
            *self._reads(
                "datasets/*",
                "runs/*/judgements.jsonl",
                "runs/*/losses.svg",
                "runs/*/quote.json",
                "runs/*/review.json",
            ),
            *self._writes("runs/*/report.html", "runs/*/manifest.json"),
        ]

    def _approve_spend(self) -> Statements:
        return [
            *self._reads("approvals/*"),
            *self._writes("approvals/*/request.json"),
            *self._hand_on_decisions(),
            *self._publish(),
        ]

    def _decide_spend(self) -> Statements:
        return [
            *self._reads("approvals/*"),
            *self._writes("approvals/*/decision.json"),
            *self._hand_on_decisions(),
            self._look_at_executions(),
        ]

    def _hand_on_decisions(self) -> Statements:
        actions = ["states:SendTaskFailure", "states:SendTaskSuccess"]
        return [allow(actions, [self.machine_arn])]

    def _look_at_executions(self) -> iam.PolicyStatement:
        execution = self.machine_arn.replace(":stateMachine:", ":execution:")
        return allow(["states:DescribeExecution"], [f"{execution}:*"])

    def _reap_leftovers(self) -> Statements:
        jobs = self.access.bedrock_arn(_JOBS)
        return [
            *self._list_resources(models=False),
            *self._delete(_THROUGHPUTS, "ProvisionedModelThroughput"),
            *self._delete(_DEPLOYMENTS, "CustomModelDeployment"),
            allow(["bedrock:StopModelCustomizationJob"], [jobs], self.access.own_resources()),
            *self._publish(),
        ]

    def _delete_resources(self) -> Statements:
        return [
            *self._list_resources(),
            *self._delete(_THROUGHPUTS, "ProvisionedModelThroughput"),
            *self._delete(_DEPLOYMENTS, "CustomModelDeployment"),
            *self._delete(_MODELS, "CustomModel"),
            allow(
                ["bedrock:StopModelCustomizationJob"],
                [self.access.bedrock_arn(_JOBS)],
                self.access.own_resources(),
            ),
        ]

    def _list_resources(self, *, models: bool = True) -> Statements:
        kinds = [_THROUGHPUTS, _DEPLOYMENTS, _JOBS, *([_MODELS] if models else [])]
        listing = [
            "bedrock:ListCustomModelDeployments",
            "bedrock:ListModelCustomizationJobs",
            "bedrock:ListProvisionedModelThroughputs",
        ]
        return [
            # AWS offers no narrower resource for listing.
            allow([*listing, *(["bedrock:ListCustomModels"] if models else [])], ["*"]),
            allow(
                ["bedrock:ListTagsForResource"], [self.access.bedrock_arn(each) for each in kinds]
            ),
            self._look_at_executions(),
        ]

    def _delete(self, kind: str, what: str) -> Statements:
        own = self.access.own_resources()
        return [allow([f"bedrock:Delete{what}"], [self.access.bedrock_arn(kind)], own)]

    def _publish(self) -> Statements:
        return [
            allow(["sns:Publish"], [self.topic_arn]),
            *self.access.use_key_through("sns"),
        ]

    def _reads(self, *keys: str) -> Statements:
        access = self.access
        return [access.read(*keys), access.list_keys(*keys), *access.use_key_through("s3")]

    def _writes(self, *keys: str) -> Statements:
        return [self.access.write(*keys), *self.access.use_key_through("s3")]
