"""A gateway that is killed at each step of its work, once a step: the real command, no more.

    python -m tests.e2e.killable JOURNAL gateway --config FILE

A step is a commit that added a ledger line or moved a release, or a POST or PATCH to
the receiver, before it and after it. The first time a step comes up it is written to
JOURNAL, and the process kills itself with SIGKILL: nothing is flushed, closed or said.
The next run passes that step and dies at the next one that is not in the journal.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from agent.cli import main as cli
from agent.gateway.release.tus_client import TusClient
from agent.vault.database.gateway import GatewayDatabase

_STATE = (
    "SELECT coalesce((SELECT event FROM ledger ORDER BY seq DESC LIMIT 1), 'nothing'),"
    " coalesce((SELECT state || '@' || sent_bytes || '/' || (upload_url IS NOT NULL)"
    " FROM release LIMIT 1), 'no release')"
)


class Journal:
    """The steps at which the gateway was killed, one a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def steps(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    def reached(self, step: str) -> bool:
        """True if the gateway was killed at a step that begins so."""
        return any(line.startswith(step) for line in self.steps())

    def reach(self, step: str) -> None:
        """Die here, unless it was done before."""
        if step in self.steps():
            return
        with self._path.open("a") as journal:
            journal.write(f"{step}\n")
            journal.flush()
            os.fsync(journal.fileno())
        os.kill(os.getpid(), signal.SIGKILL)


def install(journal: Journal) -> None:
    """Put the deadly steps around commits and requests."""
    transaction = GatewayDatabase.transaction

    @contextmanager
    def mortal_transaction(database: GatewayDatabase) -> Iterator[Connection]:
        before = database.connection.execute(_STATE).fetchone()
        with transaction(database) as connection:
            yield connection
        after = database.connection.execute(_STATE).fetchone()
        if after != before:
            journal.reach(f"commit: {after[0]}, {after[1]}")

    GatewayDatabase.transaction = mortal_transaction  # type: ignore[method-assign,assignment]
    for name in ("create", "send"):
        setattr(TusClient, name, _mortal(getattr(TusClient, name), name, journal))


def _mortal(call: Callable[..., Any], name: str, journal: Journal) -> Callable[..., Any]:
    @functools.wraps(call)
    def mortal_call(self: TusClient, *values: Any, **named: Any) -> Any:
        step = f"{name} {named.get('offset', '')}".strip()
        journal.reach(f"before {step}")
        result = call(self, *values, **named)
        journal.reach(f"after {step}")
        return result

    return mortal_call


if __name__ == "__main__":
    install(Journal(Path(sys.argv[1])))
    sys.exit(cli.main(sys.argv[2:]))
