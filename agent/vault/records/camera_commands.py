"""Owners' commands that wait for the camera's answer."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from agent.vault.records.table import Table, columns_of, marks


@dataclass(frozen=True, slots=True)
class CameraCommandRow:
    """A row of ``camera_command``; the columns are explained in ``gateway.sql``."""

    name: str
    jws: str
    subject: str
    wish: str
    owner: str
    at: float
    expires_at: float


class CameraCommandTable(Table):
    """Reads the table ``camera_command``."""

    def waiting(self) -> list[CameraCommandRow]:
        """All commands that the camera has not answered, in the order of their arrival."""
        query = f"SELECT {columns_of(CameraCommandRow)} FROM camera_command ORDER BY at, name"  # noqa: S608
        return [CameraCommandRow(*row) for row in self._database.rows(query)]


class CameraCommandWriter(CameraCommandTable):
    """Writes it."""

    def put(self, row: CameraCommandRow) -> None:
        """Let a command wait for the camera."""
        values = astuple(row)
        self._execute(f"INSERT INTO camera_command VALUES ({marks(values)})", *values)  # noqa: S608

    def drop(self, name: str) -> None:
        """Forget a command that was answered, or that has expired."""
        self._execute("DELETE FROM camera_command WHERE name = ?", name)
