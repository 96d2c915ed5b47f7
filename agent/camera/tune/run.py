"""``clip-agent tune``: the detector's view of a video or of the camera, as film and plot.

``tune.mp4`` shows each frame with the detector's view of it, ``tune.png`` the measured
values and their thresholds. Detector, settings and zones are the daemon's own; clips begin
and end by the recorder's rules, except that a recorder begins at a keyframe. Both files
are for the owner, and not sealed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent import config
from agent.camera.app import build_detector
from agent.camera.detection.verdict import View
from agent.camera.source import Frame, Interruption, Source
from agent.camera.sources.factory import choose_source
from agent.camera.tune.clips import Clips, Course
from agent.camera.tune.film import Film, Painter
from agent.camera.tune.plot import draw
from agent.camera.zones import PrivacyMask
from agent.clock import SystemClock
from agent.errors import CameraFault

LIVE_SECONDS = 60.0
_CLIPS_NAMED = 6


def run(
    *,
    config_file: Path | None,
    default: Path,
    video: str | None,
    seconds: float | None,
    output: Path,
) -> int:
    """Run ``clip-agent tune``.

    Without ``video`` it watches the camera of the configuration, for ``seconds`` or a
    minute. With it the configuration may be missing: then the defaults hold.
    ``config_file`` is given by the owner, ``default`` is the usual place.
    """
    camera = config.Camera()
    if config_file is not None or video is None or default.exists():
        camera = config.load(config_file or default).camera
    clock = SystemClock(None)
    if video is None:
        name, source = "the camera", choose_source(camera, clock=clock)
        privacy = PrivacyMask(())  # it paints by itself
        seconds = LIVE_SECONDS if seconds is None else seconds
    else:
        name, privacy = Path(video).name, PrivacyMask(camera.zones.privacy)
        stream = config.StreamSource(record=video, pace="import")
        source = choose_source(config.Camera(source=stream, motion=camera.motion), clock=clock)
    course = _watch(_frames(source, seconds, privacy), camera, output / "tune.mp4")
    draw(course, camera.motion, name, output / "tune.png")
    _report(course, name, output)
    return 0


def _watch(frames: Iterator[Frame], camera: config.Camera, path: Path) -> Course:
    """Show all ``frames`` to the detector, and film its view of them to ``path``."""
    detector, clips = build_detector(camera), Clips(camera.recording)
    course = Course(clips)
    painter = Painter(camera.zones, min_size=camera.motion.min_size)
    pre_roll = camera.recording.pre_roll_seconds
    waiting: deque[tuple[float, Frame, View]] = deque()  # a clip may still begin there
    begin: float | None = None
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(Film(path)) as film:

        def show(at: float, frame: Frame, view: View) -> None:
            film.add(painter.paint(frame, at, view, recorded=clips.holds(at)), at)

        for frame in frames:
            begin = frame.seconds if begin is None else begin
            at = frame.seconds - begin
            if detector(frame.luma, frame.seconds):
                clips.motion(at)
            view = detector.explain()
            course.add(at, view)
            waiting.append((at, frame, view))
            while waiting[0][0] < at - pre_roll:
                show(*waiting.popleft())
        while waiting:
            show(*waiting.popleft())
    return course


def _frames(source: Source, seconds: float | None, privacy: PrivacyMask) -> Iterator[Frame]:
    """The small pictures of ``source``, for ``seconds`` or until it ends, without what is
    private.

    Raises :class:`CameraFault` when the camera is lost, or gives none.
    """
    begin: float | None = None
    source.open()
    try:
        for item in source.read():
            if isinstance(item, Interruption):
                raise item.fault
            if not isinstance(item, Frame):
                continue
            begin = item.seconds if begin is None else begin
            if seconds is not None and item.seconds - begin > seconds:
                return
            if privacy:
                privacy.blacken((item.luma, *(() if item.chroma is None else item.chroma)))
            yield item
    finally:
        source.close()
    if begin is None:
        raise CameraFault("there is no picture in it", advice="Give a video that can be played")


def _report(course: Course, name: str, output: Path) -> None:
    clips = course.spans
    held = sum(end - begin for begin, end in clips)
    share = held / course.length_seconds if course.length_seconds else 0.0
    print(f"{name}: {len(course.moments)} frames in {course.length_seconds:.0f} s")
    print(f"clips it would make: {len(clips)}" + (" (in seconds)" if clips else ""))
    for begin, end in clips[:_CLIPS_NAMED]:
        print(f"  {begin:.1f} to {end:.1f}")
    if len(clips) > _CLIPS_NAMED:
        print(f"  and {len(clips) - _CLIPS_NAMED} more, see tune.png")
    print(f"share of the time that would be recorded: {share:.0%}")
    print(f"look at {output / 'tune.png'}, then at {output / 'tune.mp4'}")
    print("These files are not sealed: delete them when you no longer need them.")
