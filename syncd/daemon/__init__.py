"""The long-running syncd: start, signals, a new configuration, drain, exit code.

`syncd run` calls `run`. What is due when is the scheduler's business.
"""

from syncd.daemon.daemon import Daemon, run

__all__ = ["Daemon", "run"]
