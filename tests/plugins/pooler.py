"""PgBouncer in transaction mode before the tests' PostgreSQL server, where it is installed.

Its program is $SYNCD_TEST_PGBOUNCER, else the `pgbouncer` of the system.
"""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import make_url

VARIABLE = "SYNCD_TEST_PGBOUNCER"

_CONFIGURATION = """
[databases]
{database} = host={host} user={user} pool_size=12
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
"""


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """Start one before the database of a URL; gives the URL that leads through it."""
    given = os.environ.get(VARIABLE, "")  # noqa: TID251 - tests have no configuration
    program = given or shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin")
    if not program:
        pytest.skip(f"no PgBouncer: {VARIABLE} is not set and none is installed")
    parsed = make_url(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with TemporaryDirectory(prefix="syncd-pool-") as place:
        file = Path(place) / "pgbouncer.ini"
        file.write_text(
            _CONFIGURATION.format(
                database=parsed.database,
                host=parsed.query.get("host") or parsed.host,
                user=parsed.username,
                port=port,
            )
        )
        Path(place).chmod(0o755)
        root = os.geteuid() == 0
        nobody = pwd.getpwnam("nobody")
        with subprocess.Popen(
            [program, "-q", str(file)],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=nobody.pw_uid if root else None,
            group=nobody.pw_gid if root else None,
        ) as process:
            try:
                _await(port)
                yield parsed.set(host="127.0.0.1", port=port, query={}).render_as_string(
                    hide_password=False
                )
            finally:
                process.kill()


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    raise TimeoutError("PgBouncer does not listen")
