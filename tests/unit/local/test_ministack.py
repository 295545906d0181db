import json

import pytest

from local.ministack.upstream import PatchOutdated, original


def test_a_patch_says_when_what_it_replaces_is_gone() -> None:
    with pytest.raises(PatchOutdated, match="no_such_name is gone"):
        original(json, "no_such_name")
