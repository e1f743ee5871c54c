"""Answers with scratch records the questions that the vendors' documentation leaves open.

`probe` creates a scratch contact and scratch appointments on both sides, far
outside the window of any link, asks, and removes them whatever happens. There
are 26 questions: 16 for HubSpot, 10 for HighLevel. A question that no request
can answer gets the reason as its answer.
"""

from syncd.doctor.probing.answer import Answer, State
from syncd.doctor.probing.interruption import Interruption
from syncd.doctor.probing.run import probe

__all__ = ["Answer", "Interruption", "State", "probe"]
