"""A cycle's report in the words of others: the metrics, the note in the store, the quota."""

from __future__ import annotations

from collections import Counter

from syncd.config import LinkSettings, account_by_token
from syncd.core.model import Side
from syncd.engine.report import CycleReport
from syncd.observability import heartbeat
from syncd.observability.heartbeat import CyclePoint
from syncd.observability.metrics import CycleFacts


def facts_of(report: CycleReport) -> CycleFacts:
    """A report as the metrics take it."""
    writes = {
        (side.value, action): count
        for side in Side
        for action, count in (
            ("create", report.tally(side).created),
            ("update", report.tally(side).updated),
            ("remove", report.tally(side).removed),
            ("restore", report.tally(side).restored),
            ("create_contact", report.tally(side).contacts_created),
        )
        if count
    }
    return CycleFacts(
        link=report.link,
        kind=report.kind,
        outcome=report.outcome.value,
        seconds=report.seconds,
        pairs=report.pairs or 0,
        writes=writes,
        failed=Counter(write.side.value for write in report.failed),
        held=Counter(hold.reason for hold in report.held),
        conflicts=report.conflicts,
        delays=()
        if report.delay is None
        else tuple((w.side.value, w.delay) for w in report.written if w.delay is not None),
        started_at=report.started_at,
    )


def point_of(report: CycleReport) -> CyclePoint:
    """A cycle as the note in the store shows it."""
    assert report.started_at is not None  # noqa: S101 - it began
    return CyclePoint(
        at=report.started_at,
        kind=report.kind,
        outcome=heartbeat.STOPPED if report.stopped else report.outcome.value,
        writes=sum(writes_of(report, side) for side in Side),
        seconds=report.seconds,
        delay=report.delay,
    )


def reason_of(report: CycleReport) -> str:
    """What kept a cycle from being a good one, where it has no words of its own."""
    if report.unread:
        return f"could not be read: {'; '.join(report.unread)}"
    if report.failed:
        return f"{len(report.failed)} writes failed: {report.failed[0].detail}"
    return ""


def writes_of(report: CycleReport, side: Side) -> int:
    """How many records it wrote on a side."""
    return report.tally(side).writes


def account_of(settings: LinkSettings, side: Side) -> str:
    """The account that a link polls on a side; links may share one."""
    if side is Side.GHL:
        return f"{settings.ghl.base_url} {settings.ghl.location_id}"
    return str(account_by_token(settings))
