"""A daemon without processes: see `tests/plugins/rig.py`."""

from rig import build, clock, inline, later, quiet, settings_of_fixture

__all__ = ["build", "clock", "inline", "later", "quiet", "settings_of_fixture"]
