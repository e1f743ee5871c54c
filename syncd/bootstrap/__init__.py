"""From a configuration to a running program: the only place that wires.

The verbs and the daemon call `open_app`. Here and nowhere else do the real
clock, the environment, the providers, the store and the rules meet.
"""

from syncd.bootstrap.app import App, KeptLink, open_app
from syncd.bootstrap.clock import SystemClock
from syncd.bootstrap.rules import rules_of

__all__ = ["App", "KeptLink", "SystemClock", "open_app", "rules_of"]
