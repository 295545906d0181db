"""What each state takes and returns: the contracts of the state machine and the handlers.

Every handler is called with `run` (the `Run` that *Check preflight* returned), `now` (the time at
which its state was entered, ISO 8601) and what its own request class adds. Large data goes to S3
under `Run.prefix`; a result holds the keys, so no state carries more than a few kilobytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lambdas.domain.models.model import HostingKind
from lambdas.domain.run.dataset_files import DatasetKind, digest
from lambdas.domain.run.execution_input import MetricName, Settings

Outcome = Literal["better", "worse", "no difference shown", "not decisive"]
_MOST_REASON_CHARACTERS = 500  # of what a state hands on


class Contract(BaseModel):
    """Base of all payloads: immutable; a field that a later version of the code adds is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class HostingOption(Contract):
    """A kind of hosting that the input, the model and the region allow."""

    kind: HostingKind
    problem: str | None = None  # why the account cannot have it now


class Answers(Contract):
    """Result of both *Answer with …* states."""

    answered: int
    failed: int
    input_tokens: int
    output_tokens: int
    answers_prefix: str  # of JSONL files of {"id", "question", "answer" | "error", tokens …}
    shards: int  # how many of these files are finished
    lost_requests: int = 0  # may be paid for, without an answer; tokens count them as if they were
    done: bool = True  # False: the function's time was over, and the rest is for the next pass


class RunNames(Contract):
    """The names in a `Run` that stopping and releasing need."""

    name: str  # key of everything the run owns: [a-z0-9-], at most 40 characters
    job_name: str
    hosting_name: str


class RunToTell(RunNames):
    """The names in a `Run` that its mail and its bill need."""

    environment: str
    region: str
    bucket: str
    prefix: str  # "runs/<name>", no trailing slash
    tuned_by_run: str | None = None  # whose model it is; None: it trains its own


class Run(RunToTell):
    """What one execution has decided before it does anything. About 2 KB as JSON."""

    execution_arn: str
    started_at: datetime
    settings: Settings
    custom_model_name: str  # with tuned_by_run that run's
    client_token: str
    approval_hours: float | None  # None: nobody is asked
    fail_on_warnings: tuple[str, ...]  # codes that refuse the dataset
    min_evaluation_questions: int  # fewer refuse the dataset
    verdict_confidence: float  # such as 0.95
    verdict_margin_percent: float  # of the score's scale
    tags: dict[str, str] = {}  # the environment's own
    reap_every_minutes: int
    comprehend_max_usd: float  # 0: Amazon Comprehend is not asked
    hosting_options: tuple[HostingOption, ...]
    tuned_model_arn: str | None = None  # of the model of `tuned_by_run`
    answers_of_run: str | None = None  # whose answers are judged; None: its own
    base_answers: Answers | None = None  # both of that run
    tuned_answers: Answers | None = None


class RefusedIfRedriven(Contract):
    """For all that a redriven execution must not do: it may give back, and tell how it ended."""

    redriven: bool = False


class StateRequest(RefusedIfRedriven):
    run: Run
    now: datetime


class GiveBackRequest(Contract):
    """For stopping and releasing, which no change to any other field may break."""

    run: RunNames
    now: datetime


class Execution(Contract):
    name: str
    arn: str
    started_at: datetime


class CheckPreflightRequest(RefusedIfRedriven):
    input: dict[str, object]
    execution: Execution
    now: datetime  # returns Run


class FrozenFile(Contract):
    """The run's own copy of a dataset file: what was checked, and what everything later reads."""

    kind: DatasetKind
    key: str  # runs/<run>/dataset/<name>, as `dataset_files` has it
    sha256: str  # of the whole object, in hexadecimal, as S3 made it
    size_bytes: int


class Dataset(Contract):
    """Result of *Validate dataset*."""

    files: tuple[FrozenFile, ...]  # training, evaluation and what there is of the others
    training_records: int
    validation_records: int
    evaluation_examples: int
    set_aside: int  # of these, that can decide nothing: see `AsideReason`
    training_tokens: int  # an upper estimate; for large files, from a sample of their records
    evaluation_tokens: int  # the same, of all questions and reference answers
    general_examples: int = 0  # questions on anything else, to see what is forgotten
    general_tokens: int = 0  # as of evaluation
    is_japanese: bool = False  # most evaluation examples are, by their script
    expected_training_tokens: int  # by script and model family
    warnings: int
    system_prompt: str | None  # what the answers are asked with
    findings_key: str
    few_shot_tokens: int = 0  # an upper estimate of what precedes each question, see `few_shot`

    @property
    def training(self) -> FrozenFile:
        return self._files["training"]

    @property
    def validation(self) -> FrozenFile | None:
        return self._files.get("validation")

    @property
    def evaluation(self) -> FrozenFile:
        return self._files["evaluation"]

    @property
    def general(self) -> FrozenFile | None:
        return self._files.get("general")

    @property
    def questions(self) -> tuple[FrozenFile, ...]:
        """The files of questions that both models are asked, in this order."""
        return (self.evaluation, *([self.general] if self.general else []))

    @property
    def asked(self) -> int:
        """How many questions both models are asked."""
        return self.evaluation_examples + self.general_examples

    @property
    def asked_tokens(self) -> int:
        return self.evaluation_tokens + self.general_tokens

    @property
    def answer_schema(self) -> FrozenFile | None:
        return self._files.get("answer-schema")

    @property
    def sha256(self) -> str:
        """The digest over the files' hashes that a quote, its approval and a verdict are for."""
        return digest({each.kind: each.sha256 for each in self.files})

    @property
    def _files(self) -> dict[DatasetKind, FrozenFile]:
        return {each.kind: each for each in self.files}


class QuoteCostRequest(StateRequest):
    dataset: Dataset


class MostQuoted(Contract):
    """What the bill of a run needs, if no other can be made."""

    high_usd: float


class QuotedCost(MostQuoted):
    """Result of *Quote cost*; items and arithmetic are under `quote_key`."""

    low_usd: float
    expected_usd: float
    hosting: HostingKind | None  # None: with `Run.answers_of_run`
    hosting_reason: str  # one sentence: why this kind
    hosting_usd_per_hour: float  # all model units together; 0 on demand
    hyperparameters: dict[str, str]  # all of the model's, as Bedrock's API takes them
    hyperparameter_reasons: dict[str, str]  # why each has its value
    summary: str  # the quote as a plain-text table
    quote_key: str
    dataset_sha256: str  # `Dataset.sha256` of what was quoted
    quote_sha256: str  # of that object's bytes: what an approval is bound to


class ApproveSpendRequest(StateRequest):
    dataset: Dataset
    quote: QuotedCost
    token: str  # sent back with the decision to resume the state


class Asked(Contract):
    """What *Approve spend* returns at once; the state itself waits for the decision."""

    decide_by: datetime


class Decision(Contract):
    """Result of the state *Approve spend*: where to look for the decision, not what it is."""

    decided_in: str  # ARN of the execution that brought it: CloudTrail names its starter


class ConfirmDecisionRequest(StateRequest):
    quote: QuotedCost
    decision: Decision


class Approval(Contract):
    """Result of *Confirm decision*."""

    reason: str
    decided_at: datetime
    decided_in: str
    quote_sha256: str


class DecideSpendRequest(Contract):
    """For the second machine, which takes a person's decision."""

    input: dict[str, object]
    execution: Execution
    now: datetime


class Decided(Contract):
    run: str
    decision: Literal["approve", "reject"]
    message: str


class ScreenDatasetRequest(StateRequest):
    dataset: Dataset


class Screened(Contract):
    """Result of *Screen dataset*, by Amazon Comprehend; without figures until it is done."""

    records: int = 0
    of_records: int = 0
    usd: float = 0
    warnings: int = 0
    screening_key: str | None = None
    done: bool = True  # as in `Answers`


class PlanReviewRequest(StateRequest):
    dataset: Dataset


class ReviewPlan(Contract):
    """Result of *Plan review*: the records that the budget allows."""

    records: int  # in the training file
    planned: int
    every: int  # 1: all of them; 3: every third, across the whole file
    too_long: int  # skipped: they exceed a state's payload
    worst_usd: float  # the most that the review can cost
    items_key: str  # JSONL of {"line", "record"}


class ReviewItem(Contract):
    """One training record on its way to the judge."""

    line: int
    record: dict[str, Any]


class ReviewRecordsRequest(StateRequest):
    items: list[ReviewItem]  # a batch from the Distributed Map's ItemBatcher


class ReviewRow(Contract):
    """One reviewed record: its scores with the reason, or the error."""

    line: int
    prompt: str | None = None  # its beginning; None if it could not be read
    score: int | None = None  # the lowest of the scores
    scores: dict[str, int] | None = None
    reason: str | None = None
    error: str | None = None
    input_tokens: int = 0  # of all requests
    output_tokens: int = 0
    lost_requests: int = 0  # as in `Answers`


class ReviewedRecords(Contract):
    """Result of each *Review records*."""

    rows: list[ReviewRow]
    done: bool = True  # as in `Answers`


class SummariseReviewRequest(StateRequest):
    plan: ReviewPlan
    results_key: str  # the manifest of the Distributed Map's ResultWriter


class ReviewOutcome(Contract):
    """Result of *Summarise review*."""

    reviewed: int
    failed: int
    mean_score: float | None
    poor: int
    usd: float
    lost_requests: int = 0  # as in `Answers`
    review_key: str  # the summary with the worst rows
    rows_key: str  # JSONL of all rows


class StartTrainingRequest(StateRequest):
    dataset: Dataset
    quote: QuotedCost


class Awaited(Contract):
    """What a run waits for, as each look at it finds it."""

    age_minutes: float
    done: bool
    wait_seconds: int
    missing_since: datetime | None = None  # it was not found since then


class Training(Awaited):
    """Result of *Start training* and of each *Check training*."""

    job_arn: str
    status: Literal["InProgress", "Completed"]  # every other status is raised as an error
    phase: str  # "Validation", "Data processing", "Training", "Completed"
    phase_status: str  # NotStarted | InProgress | Completed …
    phase_age_minutes: float
    custom_model_arn: str | None


class CheckTrainingRequest(StateRequest):
    training: Training


class TrainingStop(Contract):
    """Result of *Stop training*. `stopped` is False if there was no running job."""

    stopped: bool
    status: str | None  # of the job as it was found; None if there is none


class ReadLossCurvesRequest(StateRequest):
    dataset: Dataset
    quote: QuotedCost
    training: Training


class LossCurves(Contract):
    """Result of *Read loss curves*."""

    epochs: int | None  # None: the job's file does not say
    best_epoch: int | None  # by validation loss; None without a validation set
    final_training_loss: float | None
    best_validation_loss: float | None
    final_validation_loss: float | None
    over_fit: bool | None
    verdict: str  # one sentence, and what is wrong with the job's files
    warnings: tuple[str, ...] = ()
    losses_key: str  # JSON: per step and per epoch
    svg_key: str
    png_key: str


class AnswerWithBaseModelRequest(StateRequest):
    dataset: Dataset


class ShownTurn(Contract):
    role: Literal["user", "assistant"]
    text: str


class ShownExamples(Contract):
    """Training examples that are turns before each question, as they are kept for the run."""

    examples: int
    tokens: int  # an upper estimate
    turns: tuple[ShownTurn, ...]


class OtherAnswers(Contract):
    """Result of *Answer with other models*, by the keys of `also_compare`.

    One that failed is left out of the comparison, and fails no run.
    """

    answers: dict[str, Answers] = {}
    failures: dict[str, str] = {}  # why one was given up
    rest: str | None = None  # why the state was, with all that it had not settled
    asked_since: datetime | None = None  # the model that is asked at present
    done: bool = True  # as in `Answers`, of all of them

    def has_settled(self, key: str) -> bool:
        return key in self.failures or (key in self.answers and self.answers[key].done)

    def without(self, key: str, *, because: str) -> OtherAnswers:
        """Return the same with one given up."""
        failures = {**self.failures, key: because[:_MOST_REASON_CHARACTERS]}
        return OtherAnswers(answers=self.answers, failures=failures)

    def failure_of(self, key: str) -> str | None:
        """Return why a model was given up, None where it was not: an empty cause is one, too."""
        given = self.failures.get(key, None if key in self.complete else self.rest)
        return "no reason was given" if given == "" else given and given[:_MOST_REASON_CHARACTERS]

    @property
    def complete(self) -> dict[str, Answers]:
        """Those of the models that have answered all."""
        return {
            key: each
            for key, each in self.answers.items()
            if each.done and key not in self.failures
        }


class AnswerWithOtherModelsRequest(StateRequest):
    dataset: Dataset
    so_far: OtherAnswers | None  # of earlier passes


class HostModelRequest(StateRequest):
    """For *Buy throughput* and *Create deployment*."""

    dataset: Dataset
    training: Training | None

    @property
    def model(self) -> str:
        """The model to host: its ARN, or its name if the job does not tell."""
        arn = self.training.custom_model_arn if self.training else self.run.tuned_model_arn
        return arn or self.run.custom_model_name


class Hosting(Awaited):
    """What serves the tuned model: the result of creating it, and of each look at it."""

    kind: HostingKind
    hosting_arn: str
    name: str
    created_at: datetime
    release_by: datetime


class CheckHostingRequest(StateRequest):
    """For *Check throughput* and *Check deployment*."""

    hosting: Hosting


class AnswerWithTunedModelRequest(StateRequest):
    dataset: Dataset
    hosting: Hosting


class AnnounceHoldRequest(StateRequest):
    dataset: Dataset
    hosting: Hosting


class Hold(Contract):
    """Result of *Announce hold*."""

    until: datetime  # in UTC, of whole seconds: a state waits for it


class Release(Contract):
    """Result of *Release hosting*. `found` is False if there was nothing to release."""

    found: bool
    kind: HostingKind | None = None  # of what was deleted; None: unknown
    hosting_arn: str | None = None
    billed_minutes: float | None  # None: not by time, or nobody knows when it began or ended
    at: datetime  # it was gone then


class AnsweredRequest(StateRequest):
    base_answers: Answers
    tuned_answers: Answers
    other_answers: OtherAnswers | None = None  # None: no other models were asked

    @property
    def answers(self) -> dict[str, Answers]:
        """Those of base, tuned and the other models, by that name."""
        others = self.other_answers.complete if self.other_answers else {}
        return {"base": self.base_answers, "tuned": self.tuned_answers, **others}


class JudgeAnswersRequest(AnsweredRequest):
    """For *Judge answers*."""

    dataset: Dataset


class Preferences(Contract):
    """Which answer the judge prefers, asked in both orders; counted by question."""

    questions: int  # with a preference in both orders
    tuned: int
    base: int
    neither: int  # equal, or it depends on the order
    first: int  # requests in which the first answer was preferred
    second: int


class Judgements(Contract):
    """Result of *Judge answers*."""

    judged: int
    failed: int
    input_tokens: int
    output_tokens: int
    judgements_prefix: str  # of JSONL files of {"id", "base", "tuned", "preferences", "others"}
    prompts: tuple[str, ...] = ()  # names of what the judge was told, with language and version
    lost_requests: int = 0  # both as in `Answers`
    done: bool = True


class ScoreSimilarityRequest(AnsweredRequest):
    """For *Score similarity*."""


class Similarity(Contract):
    """How similar the answers are to their references; of a state that failed, only why."""

    similarity_prefix: str = ""  # of JSONL files of {"id", "base", "tuned"}, and other models' keys
    shards: int = 0  # so many of them, all of them or none
    weights: str | None = None  # of BERTScore, as the environment names them
    bertscored_every: int = 1  # of one question in so many there is a BERTScore, evenly spread
    weights_difference: float | None = None  # of their scores from bert_score's, at most
    chrf_signature: str = ""  # sacrebleu's
    problem: str | None = None  # why there is no BERTScore, or nothing
    done: bool = True


class MeanSimilarity(Contract):
    """Means by measure, over the questions that decide and that both sides have scores of."""

    questions: int
    base: dict[str, float]
    tuned: dict[str, float]
    others: dict[str, dict[str, float]] = {}  # by the keys of `also_compare`


class DecideVerdictRequest(AnsweredRequest):
    dataset: Dataset
    judgements: Judgements | None  # None where the metric needs no judge
    similarity: Similarity


class Reservation(Contract):
    sentence: str = ""


class VerdictToTell(Contract):
    verdict: str
    reason: str  # the figures that it rests on
    missing: int = 0  # questions that are not set aside, without both scores
    forgetting: Reservation | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def is_qualified(self) -> bool:
        """Whether something speaks against serving a model that is better."""
        forgotten = self.forgetting and self.forgetting.sentence
        return self.verdict == "better" and bool(self.alternatives or forgotten)


class MetricFigures(Contract):
    """A metric's figures of both models, over the questions that it has a score of both for."""

    metric: MetricName
    base: float
    tuned: float


class Forgetting(Reservation):
    """How both models answer questions on anything else than they were tuned for."""

    metric: MetricName
    outcome: Outcome
    sentence: str = ""  # empty where the tuned model is not worse by the margin, nor can be
    reason: str  # the figures
    questions: int  # that have both scores and are not set aside
    set_aside: int
    missing: int
    difference: float | None  # of the means, tuned less base; None: no question is left
    low: float | None  # of its interval
    high: float | None


class Verdict(VerdictToTell):
    verdict: Outcome
    metric: MetricName  # that decides; scores, means and interval are its own
    others: tuple[MetricFigures, ...]  # for information
    sentence: str  # what that means
    caveats: tuple[str, ...]  # sentences
    forgetting: Forgetting | None = None  # None: the dataset has no general questions
    alternatives: tuple[str, ...] = ()  # sentences: what tuning was not shown to be worth against
    questions: int  # that have both scores and are not set aside
    set_aside: int
    missing: int
    wins: int
    ties: int
    losses: int
    preferences: Preferences  # of the questions that are not set aside
    base_mean: float | None  # None: no question is left
    tuned_mean: float | None
    low: float | None  # of the interval of the mean difference
    high: float | None
    similarity: MeanSimilarity | None  # None: not measured
    dataset_sha256: str  # `Dataset.sha256` of what the models were tuned and asked with
    verdict_key: str
    results_prefix: str  # of JSONL files of what is known of each question
    shards: int  # so many of them


class WriteReportRequest(AnsweredRequest):
    dataset: Dataset
    quote: QuotedCost
    approval: Approval | None  # None if nobody was asked
    screening: Screened | None  # None if Amazon Comprehend was not asked
    review: ReviewOutcome | None  # None if the data was not reviewed
    training: Training | None  # both None with `Run.tuned_by_run`
    loss_curves: LossCurves | None
    hosting: Hosting | None  # None with `Run.answers_of_run`
    release: Release | None  # None: a deployment stays until its release-by
    judgements: Judgements | None  # None where the metric needs no judge
    similarity: Similarity
    verdict: Verdict


class ReportToTell(Contract):
    report_key: str  # runs/<run>/report.html
    summary: str  # a few lines for a mail
    afterwards: str | None = None  # how to ask the tuned model, and until when; None: it is gone
    metered_usd: float  # from AWS's counts and the price book


class Report(ReportToTell):
    manifest_key: str  # runs/<run>/manifest.json
    metered_at_most: bool  # an upper bound


class Failure(Contract):
    state: str
    error: str
    cause: str


class NotifyRequest(Contract):
    """Sent at the end of every run; `run` is None if *Check preflight* itself failed.

    No change to any field that it does not tell of may break it.
    """

    execution: Execution
    now: datetime
    run: RunToTell | None = None
    quote: MostQuoted | None = None
    report: ReportToTell | None = None
    verdict: VerdictToTell | None = None
    failure: Failure | None = None
    release: Release | None = None  # None: nothing was to be released, or it failed


class Notification(Contract):
    subject: str


class StopRunRequest(Contract):
    """From the rule on executions that end ABORTED, FAILED or TIMED_OUT (EventBridge event)."""

    execution: Execution
    status: str
    now: datetime


class MeterStoppedRunRequest(Contract):
    """From the guard, when it has cleaned up."""

    execution: Execution
    status: str
    release: Release | None  # None: it could not, and something may still bill
    now: datetime


class Metered(Contract):
    """What a run has cost, in US dollars."""

    usd: float
    at_most: bool  # an upper bound


class Stopped(Contract):
    """Result of *Stop run*. A job that was already over is not stopped: see its status.

    Of an execution that is RUNNING again nothing is ended.
    """

    execution_status: str  # when the guard asked; "gone": there is no such execution
    under_way: bool
    job_stopped: bool
    job_status: str | None  # as it was found; None if there is none
    release: Release


class ReapLeftoversRequest(Contract):
    """From the schedule; `now` is its time."""

    now: datetime


class Reaped(Contract):
    """Result of *Reap leftovers*."""

    throughputs_alive: int  # before this pass
    oldest_throughput_minutes: float
    deleted: list[str]  # names


class InspectPurchaseRequest(Contract):
    """A CloudTrail record of a call that buys throughput."""

    detail: dict[str, Any]
    account: str
    region: str


class Inspection(Contract):
    concern: str | None  # what was mailed; None if nothing was wrong


class ListResourcesRequest(Contract):
    """For the clean-up machine; `input` is what the person gave."""

    input: dict[str, object]
    now: datetime


class CleanupItem(Contract):
    """One resource and whether it is deleted."""

    kind: Literal["throughput", "deployment", "custom-model", "job"]
    name: str
    arn: str
    status: str
    run: str | None
    age_days: float
    usd_per_month: float | None  # None: price unknown
    delete: bool
    reason: str  # why it is deleted or stays


class CleanupPlan(Contract):
    """Result of *List resources*."""

    mode: Literal["plan", "delete"]
    items: list[CleanupItem]
    deletions: int
    usd_per_month: float  # of everything there is, as far as prices are known
    problems: str = ""  # what could not be listed or read
    summary: str  # a plain-text table


class DeleteResourcesRequest(Contract):
    plan: CleanupPlan
    now: datetime


class Deletions(Contract):
    deleted: list[str]  # names
