"""A folder with a configuration in it, and the answer of `load` to it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from syncd.config import Settings, load
from syncd.errors import ConfigError

LINK = """
[links.clinic.ghl]
location_id = "loc-1"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Settings]:
    """`loaded(text, env)` writes config.toml (one link added where there is none) and loads it."""

    def act(text: str = "", env: Mapping[str, str] | None = None) -> Settings:
        if "[links." not in text:
            text += LINK
        (tmp_path / "config.toml").write_text(text, encoding="utf-8")
        return load(tmp_path / "config.toml", env or {}, tmp_path)

    return act


@pytest.fixture
def refused(loaded: Callable[..., Settings]) -> Callable[..., tuple[str, ...]]:
    """`refused(text, env)` gives the problems of a configuration that must not load."""

    def act(text: str = "", env: Mapping[str, str] | None = None) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, env)
        return caught.value.problems

    return act
