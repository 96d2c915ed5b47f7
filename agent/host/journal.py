"""The log of a service: in systemd's journal with fields, elsewhere on stderr.

A record goes to the journal by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), so that
``journalctl CLIP_ID=20240124-183015-3f9a2c`` finds what became of a clip. A logger names its
subjects by ``extra``: see :data:`FIELDS`. Where the socket is not there, or the record is too
large for it, its lines go to stderr, which the journal reads too, each with its priority.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

SOCKET: Final = Path("/run/systemd/journal/socket")
FIELDS: Final = {"clip_id": "CLIP_ID", "request": "REQUEST", "release": "RELEASE"}
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}
_WORST: Final = 2


def is_stderr() -> bool:
    """True if stderr leads to the journal: ``$JOURNAL_STREAM`` names it by device and inode."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class OneLine(logging.Formatter):
    """Keeps a message on its line: it may quote a stranger, who would write the next one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """See :meth:`logging.Formatter.formatMessage`."""
        return super().formatMessage(record).replace("\n", "\\n")


class JournalLines(OneLine):
    """Begins every line with its priority, ``<4>`` for a warning (sd-daemon(3)).

    So ``journalctl -p warning`` shows warnings and errors, each line of a traceback among them.
    """

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """See :meth:`logging.Formatter.format`."""
        priority = _priority(record)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class JournalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Sends each record to the journal's socket at ``address``, or its lines to stderr."""

    def __init__(self, address: Path = SOCKET) -> None:
        super().__init__()
        self.setFormatter(JournalLines())
        self._address = str(address)
        self._text = OneLine("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """See :meth:`logging.Handler.emit`; a journal that is busy holds nobody up here."""
        try:
            data = self._encoded(record)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
                journal.setblocking(False)
                journal.sendto(data, self._address)
        except OSError:
            super().emit(record)
        except Exception:  # noqa: BLE001 - a message that does not fit its arguments
            self.handleError(record)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        fields = {
            "MESSAGE": self._text.format(record),
            "PRIORITY": str(_priority(record)),
            "SYSLOG_IDENTIFIER": "clip-agent",
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        for attribute, field in FIELDS.items():
            if value := getattr(record, attribute, None):
                fields[field] = str(value)
        return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", errors="replace")
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def _priority(record: logging.LogRecord) -> int:
    return _PRIORITIES.get(record.levelno, _WORST)
