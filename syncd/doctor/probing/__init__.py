"""Learns on scratch records what the vendors' documentation leaves open.

`probe` makes a scratch contact and scratch appointments on both sides, far
beyond what any link syncs, asks, and removes them whatever happens. It
answers 26 questions: 16 of HubSpot, 10 of HighLevel; those that no request
can answer are answered with why.
"""

from syncd.doctor.probing.answer import Answer, State
from syncd.doctor.probing.run import probe

__all__ = ["Answer", "State", "probe"]
