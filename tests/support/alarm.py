"""For what must not wait for ever: a pipe without a writer, a file without an end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hanging_fails(seconds: int = 60) -> Iterator[None]:
    """Fail instead of hanging; for the main thread."""

    def alarm(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
