"""The recorder, which turns motion into clips.

- A clip begins at the keyframe at or before ``pre_roll`` ahead of the motion that
  started it, but not before the end of the last clip, save for the way back to
  a keyframe.
- It ends ``post_roll`` after the last motion.
- Once it is ``max_clip`` long it goes on in a new clip at the next keyframe: the first
  picture of the one follows the last of the other, without a gap or an overlap. So it does
  where the camera's format changes.
- It begins with a picture. What a decoder needs before, of which it shows nothing (periodic
  intra refresh), stands at the beginning and takes no time.
- Time in which no motion can be told, since pictures are damaged, does not count as still.
- Its picture is of the moment at which most moved. If nothing moves in a clip that goes
  on from another, its picture is the first.
- Each packet is handed on as it comes, each fragment reaches the vault complete.

When the vault fails, the clip is left to its recovery, the fault goes to the caller, and
the pre-roll stays: the next motion may try again. When the muxer refuses a packet, the clip
ends there, marked as truncated, and a new one begins at the keyframe before that packet:
nothing is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import av.error

from agent import config
from agent.camera.recording.muxer import FragmentedMp4
from agent.camera.recording.preroll import PreRoll, Stretch
from agent.camera.recording.thumbnail import jpeg
from agent.camera.source import Frame, Packet, VideoFormat
from agent.camera.sources.annexb import with_own_sets
from agent.clock import Clock
from agent.errors import CameraFault, StorageFault
from agent.vault.clips.store import ClipDraft, ClipStore
from agent.vault.database.index import Clip

_log = logging.getLogger(__name__)


class _Recording:
    """A clip while it is being written."""

    def __init__(self, draft: ClipDraft, stretch: Stretch) -> None:
        self.video = stretch.video
        self._draft = draft
        keyframe = [*stretch.lead, *stretch.packets][0]
        self._mp4 = FragmentedMp4(draft, with_own_sets(self.video, keyframe.data))
        self._first = self._last = stretch.packets[0]
        self._picture: Frame | None = None
        self._strength = 0.0

    def add(self, packet: Packet) -> None:
        if self._mp4.add(packet):
            self._draft.pad_if_stale()
            self._draft.correct_time()
        self._last = packet

    def show(self, frame: Frame, strength: float) -> None:
        """Make ``frame`` the clip's picture if it is the first, or more moves than before."""
        if self._picture is None or strength > self._strength:
            self._picture, self._strength = frame, strength

    @property
    def seconds(self) -> float:
        """The time from the beginning of the first picture to the end of the last."""
        return self._last.seconds + self._last.duration_seconds - self._first.seconds

    def finish(self, broken: av.error.FFmpegError | None = None) -> Clip:
        """End the clip; ``broken`` is the error that truncates it."""
        try:
            self._mp4.close()
        except av.error.FFmpegError as error:
            broken = broken or error
        if broken is not None:
            _log.error(
                "clip %s is truncated, the muxer failed: %s",
                self._draft.id,
                broken.strerror,
                extra={"clip_id": self._draft.id},
            )
        picture = None if self._picture is None else jpeg(self._picture)
        return self._draft.finish(
            duration_seconds=self.seconds, thumbnail=picture, truncated=broken is not None
        )

    def abandon(self) -> None:
        self._mp4.abandon()
        self._draft.abandon()


@dataclass(kw_only=True, eq=False)
class Recorder:
    """Keeps the pre-roll and turns motion into clips of the vault.

    ``before_clip`` makes room and raises :class:`StorageFault` when there is none;
    ``after_clip`` gets each finished clip.
    """

    store: ClipStore
    video: VideoFormat
    clock: Clock
    lengths: config.Recording
    before_clip: Callable[[], None]
    after_clip: Callable[[Clip], None]

    def __post_init__(self) -> None:
        self._pre_roll = PreRoll(self.video, seconds=self.lengths.pre_roll_seconds)
        self._recording: _Recording | None = None
        self._looked_at = self._last_motion = float("-inf")
        self._last_end = float("-inf")

    @property
    def recording(self) -> bool:
        """True while a clip is being written."""
        return self._recording is not None

    def change(self, video: VideoFormat) -> None:
        """Go on with packets of another format, which begin with a keyframe."""
        self.video = self._pre_roll.video = video

    def packet(self, packet: Packet) -> None:
        """Take the next packet. Raises :class:`StorageFault`; the clip is then left behind."""
        self._pre_roll.add(packet)
        recording = self._recording
        if recording is None:
            return
        if packet.seconds >= self._last_motion + self.lengths.post_roll_seconds:
            self._last_end = packet.seconds
            self.finish()
            return
        has_changed = recording.video is not self.video
        if has_changed or recording.seconds >= self.lengths.max_clip_seconds:
            onward = self._pre_roll.onward(packet.seconds)
            if onward or has_changed:
                self.finish()
                self._begin(onward)
                return
        try:
            self._write([packet])
        except av.error.FFmpegError as error:
            self._finish(error)
            self._begin(self._pre_roll.since(packet.seconds))

    def motion(self, frame: Frame, strength: float) -> None:
        """Begin a clip, or keep it going: something moves in ``frame``, this much.

        ``strength`` only compares frames of one clip: the strongest becomes its picture.
        Raises :class:`StorageFault` when there is no room for a new clip.
        """
        self._look(frame.seconds)
        self._last_motion = max(self._last_motion, frame.seconds)
        if self._recording is None:
            start = max(frame.seconds - self.lengths.pre_roll_seconds, self._last_end)
            self._begin(self._pre_roll.since(start))
        if self._recording is not None:
            self._recording.show(frame, strength)

    def stillness(self, frame: Frame) -> None:
        """Note that nothing moves in ``frame``; it may become the picture of a clip."""
        self._look(frame.seconds)
        if self._recording is not None:
            self._recording.show(frame, 0.0)

    def unjudged(self, seconds: float) -> None:
        """Note that until ``seconds`` it is not known if something moves: a clip goes on."""
        if self._recording is not None:
            self._last_motion += max(seconds - self._looked_at, 0.0)
        self._look(seconds)

    def _look(self, seconds: float) -> None:
        self._pre_roll.look(seconds)
        self._looked_at = max(self._looked_at, seconds)

    def finish(self) -> None:
        """End the clip that is being written, if there is one."""
        self._finish(None)

    def _finish(self, broken: av.error.FFmpegError | None) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            clip = recording.finish(broken)
        except StorageFault:
            recording.abandon()
            raise
        _log.info(
            "clip %s: %.1f s, %d bytes",
            clip.id,
            clip.duration_seconds,
            clip.bytes,
            extra={"clip_id": clip.id},
        )
        self.after_clip(clip)

    def _begin(self, stretches: Sequence[Stretch]) -> None:
        """Record ``stretches``, a clip for each; the last one goes on."""
        for number, stretch in enumerate(stretches):
            if number:
                self.finish()
            self._begin_clip(stretch)

    def _begin_clip(self, stretch: Stretch) -> None:
        self.before_clip()
        first = stretch.packets[0]
        clock_synced = self.clock.synced()  # asked before the time: set in between, it is wrong
        started_at = self.clock.now() - (self.clock.monotonic() - first.seconds)
        draft = self.store.create(
            started_at=max(started_at, 0.0),  # a clock that counts from its own start at 1970
            clock_synced=clock_synced,
            monotonic_seconds=first.seconds,
            codec=stretch.video.codec,
            width=stretch.video.width,
            height=stretch.video.height,
        )
        self._recording = _Recording(draft, stretch)
        try:
            lead = [
                replace(each, seconds=first.seconds, duration_seconds=0.0) for each in stretch.lead
            ]
            self._write([*lead, *stretch.packets])
        except av.error.FFmpegError as error:
            self._finish(error)
            raise CameraFault(
                f"what the camera sends cannot be written to a clip ({error.strerror})",
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
