"""Packets gather quietly, urgent items wake the reader, and the order never changes."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.batched_queue import BatchedQueue

LONG = 30.0  # seconds that no test waits for


@given(st.lists(st.tuples(st.integers(), st.booleans()), max_size=60))
def test_everything_comes_out_once_and_in_order(items: list[tuple[int, bool]]) -> None:
    box: BatchedQueue[int] = BatchedQueue(60)
    for item, quietly in items:
        assert box.put(item, quietly=quietly, timeout_seconds=0)
    out = [box.get(0) for _ in items]
    assert out == [item for item, _ in items]
    assert box.get(0) is None


def test_a_full_box_refuses_until_its_reader_has_been_there() -> None:
    box: BatchedQueue[str] = BatchedQueue(2)
    assert box.put("a", quietly=True, timeout_seconds=0)
    assert box.put("b", quietly=True, timeout_seconds=0)
    assert not box.put("c", quietly=False, timeout_seconds=0)
    assert box.get(0) == "a"
    assert box.put("c", quietly=False, timeout_seconds=0)
    assert [box.get(0), box.get(0), box.get(0)] == ["b", "c", None]


class _Reader:
    """Waits for one item on a thread of its own."""

    def __init__(self, box: BatchedQueue[str]) -> None:
        self.got: str | None = None
        self._box = box
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.got = self._box.get(LONG)

    def woke(self) -> bool:
        self._thread.join(LONG)
        return not self._thread.is_alive()


def test_an_urgent_item_wakes_the_reader_that_gets_the_quiet_ones_first() -> None:
    box: BatchedQueue[str] = BatchedQueue(9)
    reader = _Reader(box)
    box.put("packet", quietly=True, timeout_seconds=0)
    box.put("frame", quietly=False, timeout_seconds=0)
    assert reader.woke()
    assert (reader.got, box.get(0)) == ("packet", "frame")


def test_enough_quiet_ones_wake_the_reader_too() -> None:
    box: BatchedQueue[str] = BatchedQueue(64)
    reader = _Reader(box)
    for number in range(8):
        box.put(str(number), quietly=True, timeout_seconds=0)
    assert reader.woke()
    assert reader.got == "0"


def test_a_writer_that_waits_for_room_goes_on_when_there_is_some() -> None:
    box: BatchedQueue[str] = BatchedQueue(1)
    box.put("first", quietly=False, timeout_seconds=0)
    done: list[bool] = []
    writer = threading.Thread(
        target=lambda: done.append(box.put("second", quietly=False, timeout_seconds=LONG)),
        daemon=True,
    )
    writer.start()
    assert box.get(LONG) == "first"
    writer.join(LONG)
    assert done == [True]
    assert box.get(LONG) == "second"
