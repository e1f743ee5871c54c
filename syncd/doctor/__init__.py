"""`syncd doctor`: looks at everything that a sync rests on, and says what to do about it.

The verb calls `examine` and prints the findings as they come; `probe` learns
on scratch records what the vendors' documentation leaves open. What is judged
is judged in pure functions (`calendars`, `statuses`, `people`, `clocks`,
`sharing`); `examine` does the asking. It takes no lock, makes no store and
changes nothing anywhere; only `probe` writes, and cleans up.
"""

from syncd.doctor.examine import examine
from syncd.doctor.finding import Finding, Mark, code_of
from syncd.doctor.probing import Answer, probe

__all__ = ["Answer", "Finding", "Mark", "code_of", "examine", "probe"]
