"""The system's time zone, as a test wants it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Let the process live in the time zone ``name``, and then in its own again.

    The C library keeps the zone that it read last, so to undo the variable is not enough.
    """
    try:
        with mock.patch.dict(os.environ, TZ=name):
            time.tzset()
            yield
    finally:
        time.tzset()
