from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from syncd.observability.metrics import CycleFacts, LinkNow, Metrics
from syncd.observability.state import State
from syncd.observability.traffic import Budget, Traffic


def test_a_cycle_is_counted_by_link_side_action_and_reason() -> None:
    metrics = Metrics("1.2.3")
    metrics.cycle_ended(
        CycleFacts(
            link="clinic",
            kind="full",
            outcome="ok",
            seconds=2.0,
            pairs=7,
            writes={("hubspot", "create"): 3, ("ghl", "update"): 1},
            failed={"ghl": 2},
            held={"conflict": 4},
            conflicts=5,
            delays=(("hubspot", 12.0),),
        )
    )
    value = metrics.registry.get_sample_value
    clinic = {"link": "clinic"}
    assert value("syncd_cycles_total", clinic | {"kind": "full", "outcome": "ok"}) == 1
    assert value("syncd_writes_total", clinic | {"side": "hubspot", "action": "create"}) == 3
    assert value("syncd_failed_writes_total", clinic | {"side": "ghl"}) == 2
    assert value("syncd_held", clinic | {"reason": "conflict"}) == 4
    assert value("syncd_conflicts_total", clinic) == 5
    assert value("syncd_pairs", clinic) == 7
    delays = clinic | {"side": "hubspot", "le": "15.0"}
    assert value("syncd_propagation_seconds_bucket", delays) == 1
    assert value("syncd_info", {"version": "1.2.3"}) == 1


def test_a_reason_that_is_gone_falls_to_zero_and_an_outage_changes_nothing() -> None:
    metrics = Metrics("")
    held = {"link": "clinic", "reason": "conflict"}
    metrics.cycle_ended(
        CycleFacts(link="clinic", kind="full", outcome="ok", held={"conflict": 4}, pairs=7)
    )
    metrics.cycle_ended(CycleFacts(link="clinic", kind="full", outcome="unreachable"))
    assert metrics.registry.get_sample_value("syncd_held", held) == 4
    assert metrics.registry.get_sample_value("syncd_pairs", {"link": "clinic"}) == 7
    metrics.cycle_ended(CycleFacts(link="clinic", kind="full", outcome="ok", pairs=7))
    assert metrics.registry.get_sample_value("syncd_held", held) == 0


def test_what_grows_with_time_is_read_at_each_scrape() -> None:
    metrics = Metrics("")
    wire = Traffic(
        budget=Budget(used=4, limit=100, seconds=10, daily_left=90, throttled_seconds=1.5),
        answers={"200": 8, "429": 1, "none": 2},
    )
    seconds = [10.0]
    metrics.watch(
        lambda: [
            LinkNow(
                link="clinic",
                state=State.GUARD,
                good_seconds=seconds[0],
                poll_seconds=60.0,
                traffic={"ghl": wire},
            )
        ]
    )
    value, clinic = metrics.registry.get_sample_value, {"link": "clinic"}
    assert value("syncd_seconds_since_good_cycle", clinic) == 10
    seconds[0] += timedelta(minutes=1).total_seconds()
    assert value("syncd_seconds_since_good_cycle", clinic) == 70
    assert value("syncd_link_state", clinic | {"state": "guard"}) == 1
    assert value("syncd_link_state", clinic | {"state": "ok"}) == 0
    ghl = clinic | {"provider": "ghl"}
    assert value("syncd_requests_total", ghl | {"status": "429"}) == 1
    assert value("syncd_rate_budget_left", ghl) == 96
    assert value("syncd_daily_budget_left", ghl) == 90
    assert value("syncd_throttled_seconds_total", ghl) == 1.5


def test_the_text_is_what_prometheus_reads() -> None:
    metrics = Metrics("")
    metrics.cycle_ended(CycleFacts(link="clinic", kind="full", outcome="ok"))
    names = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    assert {"syncd_cycles", "process_resident_memory_bytes"} <= names


def test_every_reason_of_a_refused_delivery_is_there_before_the_first_refusal() -> None:
    metrics = Metrics("")
    metrics.refusals_from_zero(["secret", "stamp"])
    metrics.delivery_refused("stamp")
    value = metrics.registry.get_sample_value
    refused = "syncd_deliveries_refused_total"
    assert [value(refused, {"reason": each}) for each in ("secret", "stamp", "app")] == [0, 1, None]
