"""Keeps the journal's subscriptions as the links need them: made, listed, taken away.

`journal_reader` calls it between two readings, in small portions: HubSpot takes 50
requests a second, and thousands of accounts must not keep the reading waiting. A
subscription that somebody else made is used, and never taken away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import structlog

from syncd.live.journal_client import JournalClient, JournalRefused
from syncd.live.journal_subscriptions import Wanted
from syncd.ports.clock import Clock
from syncd.store.journal import SqlJournal, Subscription

log = structlog.get_logger(__name__)

PORTION = 25
"""Requests of one call."""

LISTED_EVERY = 3600.0
"""Seconds between two looks at what HubSpot has: an account that was connected anew has none."""

LOOKED_EVERY = 600.0
"""Seconds between two looks at what was settled, where the links did not change."""

REFUSED_FOR = 3600.0
"""Seconds until a refused subscription is asked for again."""


class SubscriptionKeeper:
    """The subscriptions of one app. `kept` gives the accounts that a link in the store has."""

    def __init__(
        self,
        *,
        app: str,
        client: JournalClient,
        store: SqlJournal,
        clock: Clock,
        kept: Callable[[], Collection[str]],
    ) -> None:
        self._app, self._client, self._store, self._clock = app, client, store, clock
        self._kept = kept
        self._listed: dict[str, Mapping[str, Any]] = {}
        self._list_at = 0.0
        self._settled: Sequence[Wanted] | None = None
        self._again_at = 0.0

    def keep(self, wanted: Sequence[Wanted]) -> bool:
        """Do a portion of what is to be done; whether there is more.

        Raises:
            JournalAway: HubSpot does not answer now.
            JournalRefused: it shows no subscriptions to this app.
            StoreError: our own store failed.
        """
        now = self._clock.monotonic()
        if now >= self._list_at:
            self._listed = {str(row.get("id")): row for row in self._client.subscriptions()}
            self._list_at, self._settled = now + LISTED_EVERY, None
        if self._settled == wanted and now < self._again_at:
            return False
        known = {(each.account, each.kind): each for each in self._store.subscriptions(self._app)}
        missing = [each for each in wanted if not self._has(each, known)]
        for each in missing[:PORTION]:
            self._make(each, known.get((each.account, each.kind)))
        if len(missing) > PORTION:
            return True
        more = self._take_away(wanted, known)
        self._settled, self._again_at = wanted, now + LOOKED_EVERY
        return more

    def _has(self, wanted: Wanted, known: Mapping[tuple[str, str], Subscription]) -> bool:
        row = known.get((wanted.account, wanted.kind))
        if row is None or row.digest != _digest(wanted):
            return False
        if row.refusal:
            age = (self._clock.now() - row.asked_at).total_seconds()
            return 0 <= age < REFUSED_FOR
        return row.key in self._listed

    def _make(self, wanted: Wanted, known: Subscription | None) -> None:
        """Ask for one; that it is refused stops no other."""
        theirs = next((row for row in self._listed.values() if wanted.is_like(row)), None)
        ours = theirs is None or (
            known is not None and known.made and known.key == str(theirs.get("id"))
        )
        row = Subscription(
            account=wanted.account,
            kind=wanted.kind,
            key=known.key if known else "",
            made=ours,
            digest=_digest(wanted),
            refusal="",
            asked_at=self._clock.now(),
        )
        if theirs is not None and wanted.covered_by(theirs):
            self._store.keep(self._app, replace(row, key=str(theirs.get("id"))))
            return
        body = wanted.body if ours or theirs is None else wanted.beside(theirs)
        try:
            key = self._client.subscribe(body)
        except JournalRefused as error:
            if known is None or known.refusal != str(error):
                log.warning(
                    "journal.subscription_refused",
                    account=wanted.account,
                    what=wanted.kind,
                    detail=str(error),
                )
            self._store.keep(self._app, replace(row, refusal=str(error)))
            return
        log.info("journal.subscribed", account=wanted.account, what=wanted.kind)
        self._listed[key] = {**body, "id": key}
        self._store.keep(self._app, replace(row, key=key))

    def _take_away(
        self, wanted: Sequence[Wanted], known: Mapping[tuple[str, str], Subscription]
    ) -> bool:
        """Take away those of accounts that no link has; whether there are more."""
        needed = {each.account for each in wanted} | {""}
        gone = [row for row in known.values() if row.account not in needed]
        if not gone:
            return False
        kept = frozenset(self._kept())
        gone = [row for row in gone if row.account not in kept]
        for row in gone[:PORTION]:
            if row.made and row.key:
                self._client.unsubscribe(row.key)
                self._listed.pop(row.key, None)
            self._store.drop(self._app, row)
        return len(gone) > PORTION


def _digest(wanted: Wanted) -> str:
    told = json.dumps(wanted.body, sort_keys=True)
    return blake2b(told.encode(), digest_size=8).hexdigest()
