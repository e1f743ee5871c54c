"""Which link is due, and who works on it: the claim loop and the turns it gives out.

`daemon` uses `Scheduler`, `Runner` and the ports; `turn` is what a turn does,
`backoff` and `quota` hold the arithmetic.
"""

from syncd.scheduler.ports import Lease, Links, OpenLink
from syncd.scheduler.runner import Runner
from syncd.scheduler.scheduler import Scheduler

__all__ = ["Lease", "Links", "OpenLink", "Runner", "Scheduler"]
