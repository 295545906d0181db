"""Each mistake in an environment file ends in one line that says what to change."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from lambdas.domain.models.catalogue import MODELS
from stacks.environment import (
    FOLDER,
    EnvironmentInvalid,
    known_environments,
    lifecycle_warnings,
    load,
)

FOREIGN = f"arn:aws:iam::{'2' * 12}:policy/edge"
FULL_WIDTH = "\N{FULLWIDTH DIGIT ONE}" * 12
MISTAKES = {
    "missing field": ('region = "us-east-1"\n', "", "region is missing"),
    "misspelt field": (
        "expire_runs_after_days",
        "expire_runs_after_day",
        "unknown field storage.expire_runs_after_day: did you mean 'expire_runs_after_days'?",
    ),
    "misspelt table": ("[storage]", "[storag]", "unknown field storag: did you mean 'storage'?"),
    "missing table": ("[defaults]", "[functions.defaults]", "defaults is missing"),
    "wrong choice": ('encryption = "s3"', 'encryption = "aes"', "storage.encryption is 'aes'"),
    "wrong retention": ("log_retention_days = 14", "log_retention_days = 15", "is 15"),
    "not a mail address": ("emails = []", 'emails = ["ops"]', "notifications.emails.0 is 'ops'"),
    "address of other letters": (
        "emails = []",
        'emails = ["ops@exämple.com"]',
        "notifications.emails.0 is 'ops@exämple.com'",
    ),
    "one address twice": (
        "emails = []",
        'emails = ["ops@example.com", "Ops@example.com"]',
        "notifications.emails.1 is 'Ops@example.com', which is there already",
    ),
    "endless budget": ("usd = 500", "usd = inf", "spending.monthly_budget_usd is inf"),
    "budget that is no number": ("usd = 500", "usd = nan", "spending.monthly_budget_usd is nan"),
    "truth for a budget": ("usd = 500", "usd = true", "spending.monthly_budget_usd is True"),
    "endless interval": ("minutes = 15", "minutes = inf", "spending.reap_every_minutes is inf"),
    "endless screening": (
        "comprehend_max_usd = 0",
        "comprehend_max_usd = nan",
        "validation.comprehend_max_usd is nan",
    ),
    "weights without their hash": (
        "# weights is absent",
        'weights = "minilm.safetensors" #',
        "similarity.weights is 'minilm.safetensors': string should match pattern",
    ),
    "endless ceiling": ("max_cost_usd = 10", "max_cost_usd = inf", "max_cost_usd"),
    "ceiling that is no number": ("max_cost_usd = 10", "max_cost_usd = nan", "max_cost_usd"),
    "nobody to tell": (
        "watched_without_mail",
        "# watched_without_mail",
        'nobody would be told. Write emails = ["you@example.com"] or',
    ),
    "blank words instead of a recipient": (
        'watched_without_mail = "whoever starts a run, in the Step Functions console"',
        'watched_without_mail = " "',
        "notifications.watched_without_mail is ' '",
    ),
    "other name": (
        'name = "dev"',
        'name = "devel"',
        "name is 'devel', but the file is called 'dev'",
    ),
    "long name": ('name = "dev"', f'name = "{"d" * 16}"', "at most 15 characters"),
    "unknown model": ("nova-micro", "nova-mikro", "nova-mikro"),
    "unknown warning": (
        "fail_on_warnings = []",
        'fail_on_warnings = ["secret", "near-duplicates"]',
        "'near-duplicates' is not a known warning. Did you mean 'near-duplicate'?",
    ),
    "misspelt default": ("hold_minutes", "hold_minute", "Did you mean 'hold_minutes'?"),
    "model of another region": (
        'model = "nova-micro"',
        'model = "claude-3-haiku"',
        "claude-3-haiku cannot be tuned in us-east-1, only in us-west-2",
    ),
    "region without the judge": (
        'region = "us-east-1"',
        'region = "eu-west-1"',
        "judge nova-pro cannot be called from eu-west-1; judges there: none",
    ),
    "region without a model to compare with": (
        "also_compare = []",
        'also_compare = ["few-shot", "claude-3-haiku"]',
        "[defaults] also_compare: claude-3-haiku cannot be called from us-east-1, but nova-pro",
    ),
    "comparison with itself": (
        "also_compare = []",
        'also_compare = ["nova-micro"]',
        "[defaults] also_compare has nova-micro, the model itself: leave it out",
    ),
    "model to compare with that has no price": (
        "also_compare = []",
        'also_compare = ["llama-3-3-70b"]',
        "prices input_usd_per_1k_tokens and output_usd_per_1k_tokens of llama-3-3-70b",
    ),
    "account of other digits": (
        'name = "dev"',
        f'name = "dev"\naccount = "{FULL_WIDTH}"',
        f"account is '{FULL_WIDTH}': string should match pattern '^[0-9]{{12}}$'",
    ),
    "region of other digits": (
        'region = "us-east-1"',
        f'region = "us-east-{FULL_WIDTH[0]}"',
        f"region is 'us-east-{FULL_WIDTH[0]}'",
    ),
    "expression in its own case": (
        'name = "dev"',
        'name = "dev"\npermissions_boundary = "a b"',
        "pattern '^(arn:aws:iam::([0-9]{12}|aws):policy/)?[A-Za-z0-9_+=,.@/-]{1,512}$'",
    ),
    "short account": ('name = "dev"', 'name = "dev"\naccount = "123"', "account is '123'"),
    "boundary of another account": (
        'name = "dev"',
        f'name = "dev"\naccount = "{"1" * 12}"\npermissions_boundary = "{FOREIGN}"',
        "boundary is of account 222222222222, and account is 111111111111",
    ),
    "boundary that is no policy": (
        'name = "dev"',
        'name = "dev"\npermissions_boundary = "arn:aws:iam::222222222222:role/edge"',
        "permissions_boundary is 'arn:aws:iam::222222222222:role/edge'",
    ),
    "tag of AWS": (
        "[defaults]",
        '[tags]\n"aws:team" = "ml"\n[defaults]',
        "[tags] aws:team is AWS's or the project's own",
    ),
    "tag of ours": (
        "[defaults]",
        '[tags]\n"bedrock-tuning:environment" = "prod"\n[defaults]',
        "[tags] bedrock-tuning:environment is AWS's or the project's own",
    ),
    "tag of ours but for case": (
        "[defaults]",
        '[tags]\nProject = "x"\n[defaults]',
        "[tags] Project is AWS's or the project's own",
    ),
    "one tag twice": (
        "[defaults]",
        '[tags]\nTeam = "x"\nteam = "y"\n[defaults]',
        "[tags] Team and team are one key to IAM",
    ),
    "tag that Bedrock refuses": ("[defaults]", '[tags]\nteam = "R&D"\n[defaults]', "'R&D'"),
    "empty tag": ("[defaults]", '[tags]\nteam = ""\n[defaults]', "tags.team is ''"),
    "too many tags": (
        "[defaults]",
        "[tags]\n" + "".join(f't{each} = "x"\n' for each in range(46)) + "[defaults]",
        "at most 45 items",
    ),
    "no TOML": ("[storage]", "[storage", "is not valid TOML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    right, wrong, message = MISTAKES[mistake]
    text = (FOLDER / "dev.toml").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "dev.toml").write_text(text.replace(right, wrong, 1), encoding="utf-8")

    monkeypatch.setattr("stacks.environment.FOLDER", tmp_path)
    with pytest.raises(EnvironmentInvalid) as error:
        load("dev")

    assert message in str(error.value)
    assert f"{tmp_path.name}/dev.toml" in str(error.value)
    assert "\n" not in str(error.value)


WEST = {'region = "us-east-1"': 'region = "us-west-2"'}
HAIKU = WEST | {'model = "nova-micro"': 'model = "claude-3-haiku"'}
LLAMA = WEST | {'model = "nova-micro"': 'model = "llama-3-3-70b"'}
ON_DEMAND = {'hosting = "cheapest"': 'hosting = "on-demand"'}
PROVISIONED = {'hosting = "cheapest"': 'hosting = "provisioned"'}
NOVA_PRO = {'model = "nova-micro"': 'model = "nova-pro"'}
TRAINED = {"[defaults]": "[prices.nova-pro]\ntraining_usd_per_1k_tokens = 0.01\n[defaults]"}
REFUSED_DEFAULTS = {
    "a hosting that the model has not": (
        HAIKU | ON_DEMAND,
        (
            'claude-3-haiku is not served on-demand in us-west-2: write hosting = "cheapest" or '
            'hosting = "provisioned"'
        ),
    ),
    "throughput that AWS does not sell": (LLAMA | PROVISIONED, 'or hosting = "on-demand"'),
    "no price of the training": (
        NOVA_PRO,
        (
            "the price training_usd_per_1k_tokens of nova-pro in us-east-1 is missing. Look it up "
            "at https://aws.amazon.com/bedrock/pricing/ and add to environments/dev.toml: "
            "[prices.nova-pro] training_usd_per_1k_tokens = …"
        ),
    ),
    "no price of the hosting that is asked for": (
        NOVA_PRO | TRAINED | PROVISIONED,
        "[prices.nova-pro] throughput_usd_per_unit_hour = …",
    ),
}


def changed(folder: Path, changes: Mapping[str, str]) -> None:
    """Write dev.toml with each of the changes."""
    text = (FOLDER / "dev.toml").read_text(encoding="utf-8")
    for right, wrong in changes.items():
        assert right in text
        text = text.replace(right, wrong, 1)
    (folder / "dev.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("what", REFUSED_DEFAULTS)
def test_defaults_that_no_run_could_have_are_refused_with_the_line_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    changes, message = REFUSED_DEFAULTS[what]
    changed(tmp_path, changes)
    monkeypatch.setattr("stacks.environment.FOLDER", tmp_path)
    with pytest.raises(EnvironmentInvalid) as error:
        load("dev")
    assert message in str(error.value)


def test_one_kind_with_a_price_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nova Pro's throughput has none: the cheapest is on demand then."""
    changed(tmp_path, NOVA_PRO | TRAINED)
    monkeypatch.setattr("stacks.environment.FOLDER", tmp_path)
    assert load("dev").defaults.model == "nova-pro"


LEGACY = MODELS["claude-3-haiku"].lifecycle.legacy or date.max


@pytest.mark.parametrize(
    ("days", "says"),
    [(0, f"since {LEGACY}, "), (-90, f"from {LEGACY} on, "), (-91, None), (4_000, "since")],
)
def test_a_model_that_closes_is_a_warning_on_any_day_and_never_an_error(
    days: int, says: str | None
) -> None:
    local = load("local")
    open_to_all = local.defaults.model_copy(update={"models_past_end": []})
    closing = local.model_copy(update={"defaults": open_to_all})
    warnings = [*lifecycle_warnings(closing, LEGACY + timedelta(days=days))]
    assert [says in each for each in warnings if says] == ([True] if says else [])
    assert bool(warnings) is bool(says)
    assert not [*lifecycle_warnings(local, date.max)], "its account has a private arrangement"


def test_a_table_that_is_too_long_for_a_function_names_the_longest_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (FOLDER / "dev.toml").read_text(encoding="utf-8")
    prompt = f'system_prompt = "{"é" * 1_500}"\nmodel_units = 1'  # two bytes a character
    (tmp_path / "dev.toml").write_text(text.replace("model_units = 1", prompt), encoding="utf-8")

    monkeypatch.setattr("stacks.environment.FOLDER", tmp_path)
    with pytest.raises(EnvironmentInvalid) as error:
        load("dev")

    assert re.search(
        r"\[defaults\] and \[tags\] take 3,\d{3} bytes of .* variables, at most 3,072 fit: "
        r"shorten \[defaults\] system_prompt, which takes 3,006$",
        str(error.value),
    )


def test_an_unknown_environment_names_the_nearest() -> None:
    with pytest.raises(EnvironmentInvalid, match=r"no environment 'prd': did you mean 'prod'\?"):
        load("prd")


def test_no_environment_names_all() -> None:
    with pytest.raises(EnvironmentInvalid, match=r"-c env=NAME, one of dev, local, prod$"):
        load(None)


def test_a_recipient_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (FOLDER / "dev.toml").read_text(encoding="utf-8").splitlines()
    mailed = [
        'emails = ["ops@example.com"]' if line.startswith("emails") else line
        for line in lines
        if not line.startswith("watched_without_mail")
    ]
    (tmp_path / "dev.toml").write_text("\n".join(mailed), encoding="utf-8")
    monkeypatch.setattr("stacks.environment.FOLDER", tmp_path)
    assert load("dev").notifications.emails == ["ops@example.com"]


def test_the_committed_environments_are_valid() -> None:
    assert [load(name).name for name in known_environments()] == ["dev", "local", "prod"]
