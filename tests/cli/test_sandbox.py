"""`syncd sandbox`: what it prints is all that a person needs, and it stops cleanly."""

import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import program
import pytest
from forkserver import ForkServer

Syncd = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_it_prints_is_enough_to_sync_with_it_until_it_is_stopped(
    number: signal.Signals, tmp_path: Path, forkserver: ForkServer
) -> None:
    env = program.environment()
    with forkserver.start("sandbox", "--empty", cwd=tmp_path, env=env) as process:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        told = "".join(printed)
        tokens = dict(
            line.removeprefix("export ").strip().split("=", 1)
            for line in printed
            if line.startswith("export ")
        )
        (tmp_path / "config.toml").write_text(told.partition("# In config.toml:\n")[2])
        for verb in ("setup", "--sync-now"):
            done = forkserver.run(verb, cwd=tmp_path, env=env | tokens)
            assert done.returncode == 0, done.stderr
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stdout.read() == ""
    assert (tmp_path / "syncd.db").is_file()


def test_init_writes_what_the_verbs_need_as_it_stands(
    tmp_path: Path, forkserver: ForkServer
) -> None:
    env, folder = program.environment(), tmp_path / "try it"
    with forkserver.start(
        "sandbox", "--empty", "--init", "try it", cwd=tmp_path, env=env
    ) as process:
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        assert "cd 'try it'\nsyncd doctor\n" in told
        for verb in ("setup", "doctor", "plan", "sync"):
            done = forkserver.run(verb, cwd=folder, env=env)
            assert done.returncode == 0, done.stderr
        assert (folder / "ghl-token").stat().st_mode & 0o777 == 0o600
        again = forkserver.run("sandbox", "--init", "try it", cwd=tmp_path, env=env)
        assert again.returncode == 2
        assert "config.toml lies there already" in again.stderr
        process.terminate()


def test_the_configuration_names_a_calendar_for_appointments_from_hubspot(
    tmp_path: Path, forkserver: ForkServer
) -> None:
    with forkserver.start(
        "sandbox", cwd=tmp_path, env=program.environment(SYNCD_CONFIG="/nowhere")
    ) as process:
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        process.terminate()
    link = tomllib.loads(told.partition("# In config.toml:\n")[2])["links"]["clinic"]
    assert link["ghl"]["default_calendar"]
    assert link["ghl"]["base_url"].startswith("http://127.0.0.1:")


def test_a_port_that_is_taken_is_wrong_usage(syncd: Syncd) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = syncd("sandbox", "--port", str(port))
    assert (result.code, result.out) == (2, "")
    assert f"127.0.0.1:{port}" in result.err


@pytest.mark.parametrize(
    "address", ["example.com", "https://sync.example.com", "http://127.0.0.1", "http://[::1"]
)
def test_an_address_to_announce_to_is_one_of_this_kind(address: str, syncd: Syncd) -> None:
    result = syncd("sandbox", "--announce", address)
    assert (result.code, result.out) == (2, "")
    assert "--announce" in result.err
