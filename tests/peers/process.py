"""A server program run by a test: started until it says that it is ready, then ended surely."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_SECONDS = 60.0


class Peer:
    """One run of a server program. Its output goes to ``log_file``, one file for all runs."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def run(
        self, command: Sequence[str], *, ready: str, environment: Mapping[str, str] | None = None
    ) -> str:
        """Start ``command`` and return its output up to and including the line with ``ready``.

        Raises RuntimeError with that output when it ends or stays silent instead.
        """
        self.start(command, environment=environment)
        return self._wait_for(ready)

    def start(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start ``command`` without waiting."""
        assert self._process is None, "it runs already"
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    def _wait_for(self, ready: str) -> str:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            output = self.output()
            if any(ready in line for line in output.splitlines(keepends=True) if line[-1] == "\n"):
                return output
            if ended:
                break
            time.sleep(0.005)
        self.kill()
        raise RuntimeError(f"{self.log_file.stem} did not start:\n{self.output()}")

    def output(self) -> str:
        """The output of the current or last run so far."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    @property
    def pid(self) -> int:
        """The id of the process that runs."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Let it end in its own way (SIGTERM), and wait for that."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_SECONDS)
            self._process = None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
