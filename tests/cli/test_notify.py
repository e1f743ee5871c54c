"""`notify test`: which channels are tried, and the exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Syncd = Callable[..., Any]

TAKES = 'command = ["/bin/sh", "-c", "cat >> got.json"]\n'
FAILS = 'command = ["/bin/sh", "-c", "exit 3"]\n'
NOBODY = 'webhook = "http://127.0.0.1:9/hook"\n'
LINK = (
    '[links.{0}.ghl]\nlocation_id = "{0}"\n'
    '[links.{0}.hubspot]\nfilter = {{ hs_object_source = ["{0}"] }}\n'
)


@pytest.mark.parametrize(
    ("notify", "code", "sent"),
    [("", 2, []), (TAKES, 0, [True]), (FAILS, 3, [False]), (TAKES + NOBODY, 3, [False, True])],
)
def test_each_channel_is_tried_once(
    notify: str, code: int, sent: list[bool], syncd: Syncd, tmp_path: Path
) -> None:
    links = LINK.format("north") + LINK.format("south")
    (tmp_path / "config.toml").write_text(f"[notify]\n{notify}{links}")
    result = syncd("notify", "test", "--json")
    told = json.loads(result.out)
    assert (result.code, told["exit_code"]) == (code, code)
    assert [each["sent"] for each in told.get("channels", [])] == sent
    if True in sent:
        (message,) = (tmp_path / "got.json").read_text().splitlines()
        assert json.loads(message)["event"] == "test"
    else:
        assert bool(told.get("problems")) == (code == 2)
