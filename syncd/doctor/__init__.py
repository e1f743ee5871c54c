"""`syncd doctor`: checks everything that a sync needs, with a remedy for each problem.

The verb calls `examine` and prints the findings as they come; `probe` answers
with scratch records the questions that the vendors' documentation leaves open.
Pure functions judge (`calendars`, `statuses`, `owners`, `clocks`,
`shared_accounts`); `examine` sends the requests. It takes no lock, creates no
store and changes nothing; only `probe` writes, and cleans up.
"""

from syncd.doctor.examine import examine
from syncd.doctor.finding import Finding, Mark, code_of
from syncd.doctor.probing import Answer, Interruption, probe

__all__ = ["Answer", "Finding", "Interruption", "Mark", "code_of", "examine", "probe"]
