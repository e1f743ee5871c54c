"""A person's wish to stop a probe, which waits while a record is being created or removed.

The answer to a creation names the record, so an interruption before it could
leave the record behind: the vendor may still be at work on it.
"""

from __future__ import annotations


class Interruption:
    """Interrupts a probe at once, or when what it is doing leaves no record behind."""

    def __init__(self) -> None:
        self.asked = False
        self._postponed = False

    def ask(self) -> None:
        """Stop; the second time whatever is being done.

        Raises:
            KeyboardInterrupt: now; not where it was postponed.
        """
        again, self.asked = self.asked, True
        if again or not self._postponed:
            raise KeyboardInterrupt

    def postpone(self) -> None:
        """From now on the wish waits."""
        self._postponed = True

    def resume(self) -> None:
        """No record can stay behind any more.

        Raises:
            KeyboardInterrupt: somebody asked meanwhile.
        """
        postponed, self._postponed = self._postponed, False
        if postponed:
            self.check()

    def check(self) -> None:
        """Stop here if somebody asked: an interruption may be lost in a callback of Python's.

        Raises:
            KeyboardInterrupt: somebody asked.
        """
        if self.asked:
            raise KeyboardInterrupt
