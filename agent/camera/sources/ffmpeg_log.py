"""FFmpeg's messages, which tell of damage that no flag tells of.

They are captured on the thread that reads, around each call (``av.logging.Capture``). None is
printed: they may hold a camera's password.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

import av.logging

LogLine = tuple[int, str, str]  # level, context, message

_MISSED: Final = ("RTP: missed", "RTP: PT=")  # libavformat/rtpdec.c; the second: "bad cseq"


def hear_ffmpeg() -> None:
    """Let messages be captured from now on; those that nobody captures are dropped."""
    logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.WARNING)


def tells_of_gap(log: Iterable[LogLine]) -> bool:
    """True if packets are missing before the one that was just read."""
    return any(message.startswith(_MISSED) for _, _, message in log)


def tells_of_error(log: Iterable[LogLine]) -> bool:
    """True if the decoder found an error."""
    return any(level <= av.logging.ERROR for level, _, _ in log)
