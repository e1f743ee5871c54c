"""What deploy/ holds is what systemd, Prometheus and the program itself accept."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from syncd.observability.metrics import LinkNow, Metrics
from syncd.observability.state import State
from syncd.observability.traffic import Traffic

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
WORST_SCORE = 1.5
analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def directives(unit: Path) -> list[tuple[str, str]]:
    lines = (line.strip() for line in unit.read_text(encoding="utf-8").splitlines())
    return [
        (name, value)
        for line in lines
        if "=" in line and not line.startswith("#")
        for name, _, value in [line.partition("=")]
    ]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a program that is there in place of the one that is not installed."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/syncd/bin/syncd", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


@analyze
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_each_unit_without_a_word(installed: Path, unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installed / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_service_is_shut_in_as_far_as_it_can_be(installed: Path, unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(installed / unit.name)],
        capture_output=True,
        text=True,
        check=True,
    )
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None
    assert float(score[1]) <= WORST_SCORE


def test_the_daemon_and_the_one_shot_end_as_the_exit_codes_mean() -> None:
    daemon = dict(directives(DEPLOY / "syncd.service"))
    once = dict(directives(DEPLOY / "syncd-sync.service"))
    assert daemon["Type"] == "notify"
    assert daemon["RestartPreventExitStatus"] == "2"
    assert daemon["Restart"] == "on-failure"
    assert "WatchdogSec" in daemon
    assert once["Type"] == "oneshot"
    assert once["SuccessExitStatus"] == "5"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_both_tokens_come_as_credentials_and_never_in_the_environment(unit: Path) -> None:
    found = directives(unit)
    credentials = {value.partition(":")[0] for name, value in found if name == "LoadCredential"}
    assert credentials == {"ghl-token", "hubspot-token"}
    assert not [name for name, _ in found if name.startswith("Environment")]


# --- the proxies before the listener of announcements

PROXIES = {"Caddyfile": "caddy", "nginx.conf": "nginx"}


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_passes_on_the_listeners_paths_and_writes_down_no_code(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    assert all(path in text for path in ("/hooks/", "/oauth/callback", "/livez", "127.0.0.1:8788"))
    assert "404" in text
    logs = [
        line for line in text.splitlines() if "log" in line and not line.strip().startswith("#")
    ]
    assert logs in ([], ["    access_log off;"])


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_caddy_takes_its_configuration() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    any(shutil.which(each) is None for each in ("nginx", "openssl")),
    reason="nginx is not installed",
)
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout {key} -out {certificate}"
    subprocess.run(made.split(), capture_output=True, check=True)
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    folder = "/etc/letsencrypt/live/sync.example.com"
    text = text.replace(f"{folder}/fullchain.pem", str(certificate))
    text = text.replace(f"{folder}/privkey.pem", str(key))
    (tmp_path / "syncd.conf").write_text(text, encoding="utf-8")
    temporary = "".join(
        f"{each}_temp_path {tmp_path}/{each};"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"pid {tmp_path}/pid; events {{}} http {{ {temporary} include {tmp_path}/syncd.conf; }}"
    (tmp_path / "nginx.conf").write_text(whole, encoding="utf-8")
    command = ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- what the dashboard and the rules ask for


def exported() -> set[str]:
    """Every name that a scrape may hold."""
    metrics = Metrics("")
    wire = Traffic(answers={"200": 1})
    metrics.watch(
        lambda: [
            LinkNow(link="l", state=State.OK, good_seconds=1, poll_seconds=1, traffic={"ghl": wire})
        ]
    )
    names = set()
    for family in metrics.registry.collect():
        ends = {
            "counter": ("_total",),
            "histogram": ("_bucket", "_sum", "_count"),
        }.get(family.type, ("",))
        names |= {f"{family.name}{end}" for end in ends}
    return names


def used(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:syncd|process)_\w+", expression))


def test_every_rule_asks_for_a_metric_that_there_is() -> None:
    text = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    expressions = re.findall(r"^\s+expr: (.+)$", text, re.MULTILINE)
    assert len(expressions) == text.count("- alert:")
    assert used(" ".join(expressions)) - exported() == set()


def test_every_rule_leads_to_a_chapter_of_troubleshooting() -> None:
    text = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    page = (DEPLOY.parent / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", page, re.MULTILINE)
    chapters = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
    named = re.findall(r"runbook: docs/troubleshooting\.md#(.+)$", text, re.MULTILINE)
    assert len(named) == text.count("- alert:")
    assert set(named) <= chapters


def test_every_state_that_a_rule_names_is_one() -> None:
    text = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    for named in re.findall(r'state=~"([^"]+)"', text):
        assert {State(word) for word in named.split("|")}


def test_every_panel_asks_for_a_metric_that_there_is() -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(expressions) >= len(board["panels"])
    assert used(" ".join(expressions)) - exported() == set()


def test_the_dashboard_shows_every_metric_that_the_issue_of_watching_needs() -> None:
    board = (DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8")
    needed = {name for name in exported() if name.startswith("syncd_")}
    # Sums and counts belong to their buckets; the rest is for looking closer.
    spare = {name for name in needed if name.endswith(("_sum", "_count"))}
    spare |= {
        "syncd_daily_budget_left",
        "syncd_info",
        "syncd_lease_losses_total",
        "syncd_pairs",
        "syncd_poll_interval_seconds",
        "syncd_state_changes_total",
        "syncd_missed_ticks_total",
    }
    assert needed - spare - used(board) == set()


# --- containers, as text


def test_the_container_is_nobody_and_is_asked_whether_it_lives() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "/livez" in text
    assert re.search(r'^ENTRYPOINT \["/opt/syncd/bin/syncd"\]$', text, re.MULTILINE)
    assert "--require-hashes" in text


def test_the_documentation_admits_that_containers_were_not_built() -> None:
    assert "have not been built" in (DEPLOY / "README.md").read_text(encoding="utf-8")
