"""Another syncd, a real process, that takes a link of a store when it is told to."""

import signal
import subprocess
import sys

HOLDER = """
import sys
import threading
from datetime import UTC, datetime
from syncd.errors import LinkLocked
from syncd.store import Store, open_engine

class Clock:
    def now(self): return datetime.now(UTC)
    def monotonic(self): return 0.0
    def sleep(self, seconds): threading.Event().wait(seconds)

store = Store(open_engine(sys.argv[1]), Clock())
print("ready", flush=True)
sys.stdin.readline()
try:
    lease = store.acquire("clinic", "run")
except LinkLocked as refusal:
    print("locked", refusal.holder, flush=True)
else:
    print("held", lease.fence, flush=True)
    sys.stdin.readline()
"""


class Instance:
    """Another syncd, which takes the link when it is told to and holds it until it ends."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.heard() == "ready"

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
