"""From motion to clips.

- A clip begins at the keyframe at or before ``pre_roll`` ahead of the motion that
  started it, but not before the end of the clip before, save for the way back to
  a keyframe.
- It ends ``post_roll`` after the last motion.
- Once it is ``max_clip`` long it is cut at the next keyframe and goes on in a new
  clip: the first packet of the one follows the last of the other, without a gap
  and without an overlap.
- Its picture is of the moment at which most moved. A clip that goes on from another
  and in which nothing moves any more shows how it began.
- Each packet is handed on as it comes, each fragment reaches the vault complete.

What counts as motion is the detector's business, sealing and files are the
vault's. When the vault fails, the clip is left to its recovery, the fault goes to
the caller, and the pre-roll stays: the next motion may try again. When the muxer
refuses a packet, the clip ends there, marked as truncated, and the recording goes on in
a new one from the keyframe before that packet: nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import av.error

from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.recording.preroll import PreRoll
from agent.camera.recording.thumbnail import jpeg
from agent.camera.source import Frame, Packet, VideoFormat
from agent.clock import Clock
from agent.errors import CameraFault, StorageFault
from agent.vault.clips.store import ClipDraft, ClipStore
from agent.vault.database.index import Clip

_log = logging.getLogger(__name__)


class _Recording:
    """A clip while it is being written."""

    def __init__(self, draft: ClipDraft, video: VideoFormat, first: Packet) -> None:
        self._draft = draft
        self._mp4 = FragmentedMp4(draft, video)
        self._first = self._last = first
        self._picture: Frame | None = None
        self._strength = 0.0

    def add(self, packet: Packet) -> None:
        if self._mp4.add(packet):
            self._draft.pad_if_stale()
            self._draft.correct_time()
        self._last = packet

    def show(self, frame: Frame, strength: float) -> None:
        """``frame`` is the clip's picture if it is the first, or more moves in it than before."""
        if self._picture is None or strength > self._strength:
            self._picture, self._strength = frame, strength

    @property
    def seconds(self) -> float:
        """From the beginning of the first picture to the end of the last."""
        return self._last.seconds + self._last.duration_seconds - self._first.seconds

    def finish(self, broken: av.error.FFmpegError | None = None) -> Clip:
        """``broken`` says why this is not the end it should have had."""
        try:
            self._mp4.close()
        except av.error.FFmpegError as error:
            broken = broken or error
        if broken is not None:
            _log.error("clip %s is truncated, the muxer failed: %s", self._draft.id, broken)
        picture = None if self._picture is None else jpeg(self._picture)
        return self._draft.finish(
            duration_seconds=self.seconds, thumbnail=picture, truncated=broken is not None
        )

    def abandon(self) -> None:
        self._mp4.abandon()
        self._draft.abandon()


class Recorder:
    """Keeps the pre-roll and turns motion into clips of the vault.

    ``before_clip`` makes room and raises :class:`StorageFault` when there is none;
    ``after_clip`` gets each finished clip.
    """

    def __init__(
        self,
        *,
        store: ClipStore,
        video: VideoFormat,
        clock: Clock,
        pre_roll_seconds: float,
        post_roll_seconds: float,
        max_clip_seconds: float,
        before_clip: Callable[[], None],
        after_clip: Callable[[Clip], None],
    ) -> None:
        self._store = store
        self._video = video
        self._clock = clock
        self._pre_roll_seconds = pre_roll_seconds
        self._post_roll_seconds = post_roll_seconds
        self._max_clip_seconds = max_clip_seconds
        self._before_clip = before_clip
        self._after_clip = after_clip

        self._pre_roll = PreRoll(seconds=pre_roll_seconds)
        self._recording: _Recording | None = None
        self._last_motion = float("-inf")
        self._last_end = float("-inf")

    @property
    def recording(self) -> bool:
        """Whether a clip is being written."""
        return self._recording is not None

    def packet(self, packet: Packet) -> None:
        """Take the next packet. Raises :class:`StorageFault`; the clip is then left behind."""
        self._pre_roll.add(packet)
        if self._recording is None:
            return
        if packet.seconds >= self._last_motion + self._post_roll_seconds:
            self._last_end = packet.seconds
            self.finish()
        elif packet.keyframe and self._recording.seconds >= self._max_clip_seconds:
            self.finish()
            self._begin([packet])
        else:
            try:
                self._write([packet])
            except av.error.FFmpegError as error:
                self._finish(error)
                self._begin(self._pre_roll.since(packet.seconds))

    def motion(self, frame: Frame, strength: float) -> None:
        """Something moves in ``frame``, this much: begin a clip, or keep it going.

        ``strength`` only compares frames of one clip: the strongest becomes its picture.
        Raises :class:`StorageFault` when there is no room for a new clip.
        """
        self._pre_roll.look(frame.seconds)
        self._last_motion = max(self._last_motion, frame.seconds)
        if self._recording is None:
            start = max(frame.seconds - self._pre_roll_seconds, self._last_end)
            self._begin(self._pre_roll.since(start))
        if self._recording is not None:
            self._recording.show(frame, strength)

    def stillness(self, frame: Frame) -> None:
        """Nothing moves in ``frame``; still it may be all that a clip has to show."""
        self._pre_roll.look(frame.seconds)
        if self._recording is not None:
            self._recording.show(frame, 0.0)

    def finish(self) -> None:
        """End the clip that is being written, if there is one."""
        self._finish()

    def _finish(self, broken: av.error.FFmpegError | None = None) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            clip = recording.finish(broken)
        except StorageFault:
            recording.abandon()
            raise
        _log.info("clip %s: %.1f s, %d bytes", clip.id, clip.duration_seconds, clip.bytes)
        self._after_clip(clip)

    def _begin(self, packets: Sequence[Packet]) -> None:
        if not packets:
            return  # no keyframe came yet
        self._before_clip()
        first = packets[0]
        clock_synced = self._clock.synced()  # asked before the time: set in between, it is wrong
        started_at = self._clock.now() - (self._clock.monotonic() - first.seconds)
        draft = self._store.create(
            started_at=max(started_at, 0.0),  # a clock that counts from its own start at 1970
            clock_synced=clock_synced,
            monotonic_seconds=first.seconds,
            codec=self._video.codec,
            width=self._video.width,
            height=self._video.height,
        )
        self._recording = _Recording(draft, self._video, first)
        try:
            self._write(packets)
        except av.error.FFmpegError as error:
            self._finish(error)
            raise CameraFault(
                f"what the camera sends cannot be written to a clip ({error})",
                advice="Restart the camera; if it happens again, report it",
            ) from error

    def _write(self, packets: Sequence[Packet]) -> None:
        recording = self._recording
        if recording is None:
            return
        try:
            for packet in packets:
                recording.add(packet)
        except StorageFault:
            self._recording = None
            recording.abandon()
            raise
