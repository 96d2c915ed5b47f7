"""Entry points of picamera2's threads, which keep the errors raised on them.

picamera2 itself loses them: its event loop ends with a line in the log, its hardware
encoder's thread with none, and the camera seems to be silent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from picamera2 import Picamera2
from picamera2.encoders import Encoder
from picamera2.outputs import Output
from picamera2.previews import NullPreview

from agent.camera.sources.pi.faults import explain
from agent.camera.sources.pi.handover import Handover
from agent.errors import CameraFault

_log = logging.getLogger(__name__)


class Packets(Output):  # type: ignore[misc]  # picamera2 has no types
    """Passes the encoder's packets on to ``handover``."""

    def __init__(self, encoder: Encoder, handover: Handover) -> None:
        super().__init__()
        self._encoder = encoder
        self._handover = handover

    def outputframe(
        self,
        frame: Any,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,  # noqa: ARG002 - picamera2's signature
        audio: bool = False,
    ) -> None:
        """Take a packet, on the encoder's thread.

        ``timestamp`` counts microseconds from the first picture that was encoded.
        """
        first = self._encoder.firsttimestamp
        if audio or timestamp is None or first is None:
            raise CameraFault("the encoder sent what is no picture", advice="Report it")
        self._handover.packet(
            bytes(frame), keyframe=bool(keyframe), stamp_microseconds=first + timestamp
        )


class EventLoop(NullPreview):  # type: ignore[misc]  # picamera2 has no types
    """picamera2's event loop without a preview, whose errors are reported."""

    def __init__(self, handover: Handover) -> None:
        super().__init__()
        self._handover = handover
        self._is_broken = False

    def handle_request(self, picam2: Picamera2) -> None:
        """Process the pictures that have come; called by picamera2."""
        if self._is_broken:
            return
        try:
            picam2.process_requests(self)
        except Exception as error:  # noqa: BLE001 - raised by the reader
            self._is_broken = True
            _fail(self._handover, error)


def watched(poll: Callable[..., None], handover: Handover, *arguments: Any) -> None:
    """Run ``poll``, the hardware encoder's thread; its errors are the source's fault."""
    try:
        poll(*arguments)
    except Exception as error:  # noqa: BLE001 - raised by the reader
        _fail(handover, error)


def _fail(handover: Handover, error: Exception) -> None:
    """Let the reader raise ``error``; its origin goes to the log."""
    _log.error("in a thread of picamera2: %s", error, exc_info=error)
    handover.fail(explain(error))
