"""From a configuration to a running program: the only place that wires.

The verbs and the daemon call `open_app`. Here and nowhere else do the real
clock, the environment, the providers, the store and the rules meet.
"""

from syncd.bootstrap.app import App, notify_without_store, open_app, send_tests
from syncd.bootstrap.clock import SystemClock
from syncd.bootstrap.reader import StoreReader, open_reader

__all__ = [
    "App",
    "StoreReader",
    "SystemClock",
    "notify_without_store",
    "open_app",
    "open_reader",
    "send_tests",
]
