"""Records of the log in systemd's journal, or on stderr where it cannot be reached."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host import journal
from agent.host.journal import JournalHandler


class Journal:
    """A socket where systemd's journal would listen."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "socket"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address))
        self._socket.settimeout(10)

    def next(self) -> dict[str, str]:
        """The fields of the next record, read as the protocol says."""
        rest, fields = self._socket.recv(1 << 20), {}
        while rest:
            line, _, rest = rest.partition(b"\n")
            name, is_plain, value = line.partition(b"=")
            if not is_plain:
                (length,) = struct.unpack_from("<Q", rest)
                value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
            fields[name.decode()] = value.decode()
        return fields

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path)
    yield found
    found.close()


@pytest.fixture
def log(listening: Journal) -> Iterator[logging.Logger]:
    logger = logging.getLogger("agent.somewhere")
    handler = JournalHandler(listening.address)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_a_record_has_its_subjects_as_fields(listening: Journal, log: logging.Logger) -> None:
    log.warning(
        "release %s waits", "ab", extra={"release": "ab", "request": None, "clip_id": "20240124"}
    )
    fields = listening.next()
    assert fields["MESSAGE"] == "agent.somewhere: release ab waits"
    assert fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "clip-agent"
    assert (fields["LOGGER"], fields["CODE_FUNC"]) == (
        "agent.somewhere",
        "test_a_record_has_its_subjects_as_fields",
    )
    assert (fields["RELEASE"], fields["CLIP_ID"]) == ("ab", "20240124")
    assert "REQUEST" not in fields


@pytest.mark.parametrize(
    ("level", "priority"), [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("FATAL", 2)]
)
def test_a_record_has_its_priority(
    listening: Journal, log: logging.Logger, level: str, priority: int
) -> None:
    log.setLevel(logging.DEBUG)
    log.log(getattr(logging, level), "said")
    assert listening.next()["PRIORITY"] == str(priority)


def test_a_traceback_is_one_record(listening: Journal, log: logging.Logger) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("it failed")
    message = listening.next()["MESSAGE"]
    assert message.startswith("agent.somewhere: it failed\nTraceback")
    assert message.endswith("ValueError: two\nlines")


@given(st.text(), st.text())
def test_no_text_makes_a_field_of_its_own(message: str, subject: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = Journal(Path(folder))
        handler = JournalHandler(found.address)
        record = logging.LogRecord("l", logging.INFO, "file.py", 1, "%s", (message,), None)
        record.clip_id = subject
        handler.handle(record)
        fields = found.next()
        found.close()
    assert set(fields) <= {
        *("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "LOGGER", "CODE_FILE", "CODE_LINE"),
        *("CODE_FUNC", "CLIP_ID"),
    }
    sound = message.encode("utf-8", "replace").decode()
    assert fields["MESSAGE"] == "l: " + sound.replace("\n", "\\n")
    assert fields.get("CLIP_ID", "") == subject.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("message", ["said\nby a stranger", "x" * 10_000_000])
def test_what_the_socket_does_not_take_goes_to_stderr(tmp_path: Path, message: str) -> None:
    there = Journal(tmp_path) if len(message) > 100 else None
    handler = JournalHandler(tmp_path / "socket")
    handler.stream = io.StringIO()
    record = logging.LogRecord("l", logging.ERROR, "file.py", 1, "%s", (message,), None)
    handler.handle(record)
    assert handler.stream.getvalue() == "<3>l: " + message.replace("\n", "\\n") + "\n"
    if there is not None:
        there.close()


def test_a_busy_journal_holds_nobody_up(listening: Journal, log: logging.Logger) -> None:
    log.handlers[0].stream = said = io.StringIO()  # type: ignore[attr-defined]
    for number in range(2_000):  # more than a socket's queue holds
        log.error("record %d", number)
    assert said.getvalue().startswith("<3>agent.somewhere: record ")


def test_stderr_is_the_journal_only_if_it_is_that_very_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        found = os.fstat(file.fileno())
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        assert not journal.is_stderr()
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert journal.is_stderr()
        monkeypatch.setenv("JOURNAL_STREAM", "8:1")  # of a service that started this program
        assert not journal.is_stderr()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not journal.is_stderr()
