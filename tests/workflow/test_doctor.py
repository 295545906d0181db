"""The doctor in the offline account: it asks the services themselves, and all of them answer."""

import pytest

from operate import doctor
from operate.deployed import Deployed


def test_the_doctor_examines_what_is_deployed(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor.main(["--env", deployed.name])
    said = capsys.readouterr().out
    assert "0 without an answer" in said, said
    for line in (
        "CDK bootstrap: version",
        "quota of model units of throughput for custom models: 1, of which 0 in use",
        "an answer of claude-3-haiku: ",
        "running executions: none",
        "a throughput that does not exist: ResourceNotFoundException",
    ):
        assert line in said, said
