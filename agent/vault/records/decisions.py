"""Owners' decisions: the statements acted on, muted requesters, and the pause of requests."""

from __future__ import annotations

from agent.vault.records.table import Table


class DecisionTable(Table):
    """Reads the tables ``seen``, ``begun``, ``muted`` and ``pause``."""

    def begun_at(self) -> float | None:
        """The time from which this file holds the ledger; None before :meth:`.begin`."""
        rows = self._database.rows("SELECT at FROM begun")
        return float(rows[0][0]) if rows else None

    def seen(self, jti: str) -> bool:
        """True if a statement with this id was acted on."""
        return bool(self._database.rows("SELECT 1 FROM seen WHERE jti = ?", (jti,)))

    def acted_on(self, digest: str) -> bool:
        """True if the statement with exactly this text was acted on."""
        return bool(self._database.rows("SELECT 1 FROM seen WHERE digest = ?", (digest,)))

    def muted(self) -> tuple[str, ...]:
        """Fingerprints of the requesters that owners muted."""
        return tuple(row[0] for row in self._database.rows("SELECT requester FROM muted"))

    def paused_at(self) -> float | None:
        """The time at which an owner paused requests; None while requests are shown."""
        rows = self._database.rows("SELECT at FROM pause")
        return float(rows[0][0]) if rows else None

    def paused_by(self) -> str | None:
        """The fingerprint of the owner who paused requests; None while requests are shown."""
        rows = self._database.rows("SELECT owner FROM pause")
        return str(rows[0][0]) if rows else None


class DecisionWriter(DecisionTable):
    """Writes these tables."""

    def begin(self, *, at: float) -> None:
        """Note that this file holds the ledger from now on, unless it did before."""
        self._execute("INSERT OR IGNORE INTO begun VALUES (1, ?)", at)

    def mark_seen(self, jti: str, digest: str, *, at: float) -> None:
        """Remember a statement; InternalFault if its id was remembered before."""
        self._execute("INSERT INTO seen VALUES (?, ?, ?)", jti, digest, at)

    def mute(self, requester: str, *, at: float) -> None:
        """Show the owners nothing more of this requester."""
        self._execute("INSERT OR IGNORE INTO muted VALUES (?, ?)", requester, at)

    def unmute(self, requester: str) -> bool:
        """Show the owners this requester again; True if it was muted."""
        return self._execute("DELETE FROM muted WHERE requester = ?", requester).rowcount > 0

    def pause(self, owner: str, *, at: float) -> None:
        """Pause requests for ``owner``; an earlier pause keeps its time."""
        self._execute("INSERT OR IGNORE INTO pause VALUES (1, ?, ?)", owner, at)

    def resume(self) -> None:
        """End the pause."""
        self._execute("DELETE FROM pause")
