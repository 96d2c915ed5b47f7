"""A queue from picamera2's threads to the one thread that reads.

1. The first fault counts. Items from before it are still taken, later ones are not.
2. No packet is lost in silence: a full queue is a fault. Small frames may be dropped, the
   oldest first.
3. A packet is accepted only if its picture was announced before it was encoded. So a
   picture that bypassed the privacy zones is never recorded, whatever the encoder does.

The sensor stamps each picture, and the encoder's packets carry the stamp of theirs. Each
stamp is placed on our clock once, when its picture is announced.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import NamedTuple

from agent.camera.source import Frame, Packet
from agent.camera.sources.annexb import h264_extradata
from agent.camera.sources.timeline import Arrival, Timeline
from agent.clock import Clock
from agent.errors import CameraFault

# The stamps of a Pi's sensor are of the same clock as ours (CLOCK_MONOTONIC, since a Pi
# never sleeps), so they are taken as they are, unless they and the arrival disagree.
_SAME_CLOCK_SECONDS = 1.0
_FRAMES_WAITING = 8
_PICTURES_REMEMBERED = 64  # more than any encoder holds back
_SAME_STAMP_MICROSECONDS = 1000  # encoders round


class _Announced(NamedTuple):
    stamp_microseconds: int
    seconds: float
    duration_seconds: float


class Handover:
    """The queue; ``frame_seconds`` is the usual length of a picture, and at most
    ``most_packets`` may wait for the reader.
    """

    def __init__(self, *, clock: Clock, frame_seconds: float, most_packets: int) -> None:
        self._clock = clock
        self._frame_seconds = frame_seconds
        self._most_packets = most_packets
        self._timeline = Timeline()
        self._announced: OrderedDict[int, _Announced] = OrderedDict()
        self._packets: deque[Packet] = deque()
        self._frames: deque[Frame] = deque(maxlen=_FRAMES_WAITING)
        self._parameter_sets = b""
        self._fault: CameraFault | None = None
        self._over = False
        self._change = threading.Condition()
        self._last_announced: int | None = None  # stamps in microseconds
        self._last_encoded: int | None = None

    # Called by picamera2's threads

    def picture(self, stamp_nanoseconds: int, duration_seconds: float | None) -> float:
        """Announce a picture that may be encoded; gives its clock seconds."""
        with self._change:
            stamp = stamp_nanoseconds / 1e9
            arrival = self._clock.monotonic()
            if abs(arrival - stamp) < _SAME_CLOCK_SECONDS:
                arrival = stamp
            seconds = self._timeline.place(Arrival(stamp, arrival))
            key = self._last_announced = int(stamp_nanoseconds / 1000)  # as picamera2 divides
            self._announced[key] = _Announced(key, seconds, duration_seconds or self._frame_seconds)
            while len(self._announced) > _PICTURES_REMEMBERED:
                self._announced.popitem(last=False)
            return seconds

    def frame(self, frame: Frame) -> None:
        """Add a small picture for the detector."""
        with self._change:
            if not self._closed:
                self._frames.append(frame)
                self._change.notify_all()

    def packet(self, data: bytes, *, keyframe: bool, stamp_microseconds: int) -> None:
        """Add the packet of the picture with this stamp of the sensor."""
        with self._change:
            if self._closed:
                return
            if not self._parameter_sets:
                self._parameter_sets = h264_extradata(data) if keyframe else b""
                if not self._parameter_sets:
                    return  # nothing can be decoded before them
            picture = self._announcement(stamp_microseconds)
            if picture is None:
                fault = CameraFault(
                    "the encoder sent a picture that bypassed the privacy zones",
                    advice="Restart the camera's service; if it happens again, report it",
                )
                self.fail(fault)
            elif len(self._packets) == self._most_packets:
                fault = CameraFault(
                    f"{self._most_packets} pictures wait to be recorded, and no more fit",
                    advice="The storage is too slow: check the SD card, or lower"
                    " camera.source.bits_per_second",
                )
                self.fail(fault)
            else:
                self._packets.append(
                    Packet(data, keyframe, picture.seconds, picture.duration_seconds)
                )
                self._last_encoded = picture.stamp_microseconds
                self._change.notify_all()

    def fail(self, fault: CameraFault) -> None:
        """Report an error on picamera2's side."""
        with self._change:
            if not self._closed:
                self._fault = fault
                self._change.notify_all()

    # Called by the reader

    def wait_for_parameter_sets(self, seconds: float) -> bytes:
        """The first parameter sets; empty if none came in ``seconds``.

        Raises a fault that comes before them.
        """
        with self._change:
            self._change.wait_for(lambda: self._parameter_sets or self._fault, seconds)
            if self._fault is not None and not self._parameter_sets:
                raise self._fault
            return self._parameter_sets

    def take(self, seconds: float) -> list[Packet | Frame]:
        """All items, in the order of time; waits for ``seconds`` at most.

        Raises the fault once everything from before it was taken.
        """
        with self._change:
            self._change.wait_for(lambda: self._packets or self._frames or self._fault, seconds)
            items: list[Packet | Frame] = [*self._packets, *self._frames]
            self._packets.clear()
            self._frames.clear()
            if not items and self._fault is not None:
                raise self._fault
        return sorted(items, key=lambda item: item.seconds)

    def end(self) -> None:
        """Drop all items; later ones are ignored."""
        with self._change:
            self._over = True
            self._packets.clear()
            self._frames.clear()

    @property
    def encoder_is_behind(self) -> bool:
        """True if the encoder gave nothing of use for the last announced picture."""
        with self._change:
            return self._last_announced != self._last_encoded

    @property
    def _closed(self) -> bool:
        return self._over or self._fault is not None

    def _announcement(self, stamp_microseconds: int) -> _Announced | None:
        exact = self._announced.get(stamp_microseconds)
        if exact is not None or not self._announced:
            return exact
        nearest = min(self._announced, key=lambda stamp: abs(stamp - stamp_microseconds))
        is_near = abs(nearest - stamp_microseconds) <= _SAME_STAMP_MICROSECONDS
        return self._announced.get(nearest) if is_near else None
