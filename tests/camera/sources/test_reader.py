"""Every end of a source reaches the loop, with a text that can be printed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from agent.camera.source import Item, Packet, VideoFormat
from agent.camera.sources.reader import End, Reader
from agent.errors import CameraFault, ConfigError, InternalFault

VIDEO = VideoFormat("h264", 640, 360, b"")
PACKET = Packet(b"x", True, 1.0, 0.1)
PATIENCE = 60.0
SECRET = "rtsp://viewer:hunter2@camera/main"


class FakeBrokenSource:
    """Gives a packet and ends with ``end``; hangs or breaks where it is told to."""

    def __init__(
        self,
        end: BaseException | None = None,
        *,
        on_open: BaseException | None = None,
        on_close: BaseException | None = None,
        close_hangs: bool = False,
    ) -> None:
        self._end, self._on_open, self._on_close = end, on_open, on_close
        self._close_hangs = close_hangs
        self.let_go = threading.Event()
        self.closing = threading.Event()

    def open(self) -> VideoFormat:
        if self._on_open is not None:
            raise self._on_open
        return VIDEO

    def read(self) -> Iterator[Item]:
        yield PACKET
        if self._end is not None:
            raise self._end

    def close(self) -> None:
        self.closing.set()
        if self._close_hangs:
            self.let_go.wait(PATIENCE)
        if self._on_close is not None:
            raise self._on_close


def started(source: FakeBrokenSource) -> Reader:
    reader = Reader(source)
    reader.start()
    return reader


def test_format_packets_and_end_come_in_order() -> None:
    reader = started(FakeBrokenSource())
    assert [reader.next(PATIENCE) for _ in range(3)] == [VIDEO, PACKET, End.OVER]
    assert reader.next(0) is End.SILENCE
    reader.stop()


@pytest.mark.parametrize("fault", [CameraFault("gone", advice="Look"), ConfigError("no zones")])
def test_a_fault_of_the_source_is_raised_unchanged(fault: Exception) -> None:
    for source in (FakeBrokenSource(fault), FakeBrokenSource(on_open=fault)):
        reader = started(source)
        with pytest.raises(type(fault)) as caught:
            for _ in range(3):
                reader.next(PATIENCE)
        assert caught.value is fault
        reader.stop()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, MemoryError])
def test_anything_else_is_our_mistake_and_never_a_quiet_end(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    reader = started(FakeBrokenSource(error(SECRET)))
    assert [reader.next(PATIENCE), reader.next(PATIENCE)] == [VIDEO, PACKET]
    with pytest.raises(InternalFault, match=f"broke off with {error.__name__}") as caught:
        reader.next(PATIENCE)
    reader.stop()
    assert caught.value.advice
    assert "test_reader.py" in caplog.text, "the journal says where"
    assert "hunter2" not in caplog.text + str(caught.value)


def test_a_source_that_does_not_close_is_left_alone() -> None:
    source = FakeBrokenSource(close_hangs=True)
    reader = started(source)
    assert source.closing.wait(PATIENCE)
    reader.stop(timeout_seconds=0.01)
    assert reader._producer._thread.daemon, "so it cannot keep the process"
    source.let_go.set()
    reader._producer._thread.join(PATIENCE)


def test_an_error_while_closing_does_not_hide_how_it_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = started(FakeBrokenSource(on_close=OSError(SECRET)))
    with caplog.at_level(logging.ERROR):
        assert [reader.next(PATIENCE) for _ in range(3)] == [VIDEO, PACKET, End.OVER]
        reader._producer._thread.join(PATIENCE)
    assert "did not close with OSError" in caplog.text
    assert "hunter2" not in caplog.text
