"""``camera:`` in ``agent.yaml``: where pictures come from, what counts, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from agent.config.base import Section, doc

_Width = Annotated[int, doc("Pixels, even.", ge=320, le=1920, multiple_of=2)]
_Height = Annotated[int, doc("Pixels, even.", ge=180, le=1080, multiple_of=2)]
_Rate = Annotated[int, doc("Frames a second.", ge=5, le=30)]
_BitRate = Annotated[int, doc("Bits a second of the recording.", ge=100_000, le=25_000_000)]


class PiSource(Section, frozen=True, tag_field="type", tag="pi"):
    """A camera on the board's own connector (libcamera, picamera2)."""

    camera: Annotated[
        int, doc("Number of the camera, as `rpicam-hello --list-cameras` shows it.", ge=0, le=7)
    ] = 0
    width: _Width = 1280
    height: _Height = 720
    frames_per_second: _Rate = 15
    bits_per_second: _BitRate = 2_500_000
    rotation: Annotated[Literal[0, 180], doc("180: the camera hangs upside down.")] = 0
    flip: Annotated[
        Literal["none", "horizontal", "vertical"], doc("Mirrors the picture, after the rotation.")
    ] = "none"
    exposure: Annotated[
        Literal["normal", "short", "long"],
        doc("short: less blur of what moves. long: less noise in the dark."),
    ] = "normal"
    exposure_compensation: Annotated[
        float, doc("Brighter or darker, in stops (EV).", ge=-4, le=4)
    ] = 0.0
    hdr: Annotated[
        bool, doc("High dynamic range; refused where neither camera nor board has it.")
    ] = False
    focus_dioptres: Annotated[
        Annotated[float, Meta(ge=0, le=32)] | None,
        doc(
            "Fixed focus at 1/metres, 0 is far away; refused where the lens does not move."
            " null: autofocus, where there is one."
        ),
    ] = None
    night_frames_per_second: Annotated[
        Annotated[float, Meta(ge=1, le=30)] | None,
        doc("May go down to this in the dark, for longer exposures. null: never."),
    ] = None


class WebcamSource(Section, frozen=True, tag_field="type", tag="webcam"):
    """A USB camera (V4L2). Its pictures are encoded here."""

    device: Annotated[
        str, doc("The device; /dev/v4l/by-id/... stays the same.", pattern=r"\A/dev/[^\0]+\Z")
    ] = "/dev/video0"
    width: _Width = 1280
    height: _Height = 720
    frames_per_second: _Rate = 15
    bits_per_second: Annotated[
        int,
        doc("Bits a second at most; a still picture takes fewer.", ge=100_000, le=25_000_000),
    ] = 2_500_000
    pixel_format: Annotated[
        Literal["mjpeg", "yuyv"],
        doc("How the camera sends pictures. mjpeg carries large ones over USB 2."),
    ] = "mjpeg"


class StreamSource(Section, frozen=True, tag_field="type", tag="stream"):
    """A network camera (RTSP, HTTP) or a video file."""

    record: Annotated[
        str,
        doc(
            "What is recorded: rtsp(s)://, http(s)://, or the path of a file. Packets are copied.",
            min_length=1,
        ),
    ]
    detect: Annotated[
        str | None,
        doc(
            "The camera's small stream, for motion detection: 640x360 at 8 frames a second "
            "will do. null: decode the main one."
        ),
    ] = None
    credentials_file: Annotated[
        Path | None,
        doc(
            "File whose first line is name:password of the camera. null: those of the "
            "environment variable CLIP_AGENT_CAMERA_LOGIN, or of the URL (percent-encoded)."
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        doc(
            "For rtsps:// and https://: the camera's own certificate, or that of who signed it, "
            "PEM. null: those that the system trusts."
        ),
    ] = None
    certificate_name: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        doc("Name in the camera's certificate. null: the host of the URL."),
    ] = None
    verify_certificate: Annotated[
        bool,
        doc("false: whoever is on the network may pass for the camera, and is told its password."),
    ] = True
    transport: Annotated[
        Literal["tcp", "udp"],
        doc("How RTSP carries its packets. For udp see systemd/examples/ip-camera.conf."),
    ] = "tcp"
    pace: Annotated[
        Literal["live", "real-time", "import"],
        doc(
            "live: as packets come (network cameras). real-time: a file, played as if it "
            "were a camera. import: a file, as fast as it reads, dated to end now."
        ),
    ] = "live"


class SceneSource(Section, frozen=True, tag_field="type", tag="scene"):
    """A drawn street with walkers: for demonstrations and tests."""

    width: Annotated[int, doc("Pixels, even.", ge=320, le=1920, multiple_of=2)] = 640
    height: Annotated[int, doc("Pixels, even.", ge=180, le=1080, multiple_of=2)] = 360
    frames_per_second: Annotated[int, doc("Frames drawn a second.", ge=5, le=30)] = 15
    seed: Annotated[int, doc("Same seed, same street.", ge=0)] = 1
    walkers_per_minute: Annotated[
        float, doc("How often somebody walks by; 0 is a still street.", ge=0, le=30)
    ] = 4.0
    duration_seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None, doc("The scene ends after this. null: never.")
    ] = None


Source = PiSource | WebcamSource | StreamSource | SceneSource

_Share = Annotated[float, Meta(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[_Share, _Share], ...], Meta(min_length=3, max_length=100)]


class Zones(Section, frozen=True):
    """Parts of the picture, as polygons of [x, y] from [0, 0] top left to [1, 1]."""

    include: Annotated[tuple[Polygon, ...], doc("Only here motion counts. Empty: everywhere.")] = ()
    exclude: Annotated[tuple[Polygon, ...], doc("Here motion never counts.")] = ()
    privacy: Annotated[
        tuple[Polygon, ...],
        doc(
            "Painted over before anything is recorded. Not for a stream, whose packets are copied."
        ),
    ] = ()


def covers_something(polygon: Polygon) -> bool:
    """Whether the corners of ``polygon`` do not all lie on one line."""
    (x0, y0), *others = polygon
    spans = [(x - x0, y - y0) for x, y in others]
    return any(abs(dx * ey - ex * dy) > 1e-9 for dx, dy in spans for ex, ey in spans)


class Motion(Section, frozen=True):
    """The motion detector's two knobs, and its rate."""

    min_size: Annotated[
        int,
        doc("Smallest moving region that counts, in blocks of an 80x45 grid.", ge=1, le=400),
    ] = 4
    sensitivity: Annotated[
        float,
        doc("1 is as measured; 2 reacts to half the contrast over noise.", ge=0.2, le=4),
    ] = 1.0
    frames_per_second: Annotated[
        float, doc("How many frames a second the detector looks at.", ge=2, le=15)
    ] = 7.5


class Recording(Section, frozen=True):
    """How much of the time around a motion becomes a clip."""

    pre_roll_seconds: Annotated[
        float, doc("Kept from before the motion; lives in memory.", ge=0, le=30)
    ] = 5.0
    post_roll_seconds: Annotated[
        float, doc("Goes on for this long after the last motion.", ge=1, le=60)
    ] = 7.0
    max_clip_seconds: Annotated[
        float, doc("A longer clip is cut here and goes on in the next.", ge=10, le=600)
    ] = 120.0
    no_frame_seconds: Annotated[
        float,
        doc(
            "A camera silent for this long is lost; if it is no stream, the process ends.",
            ge=2,
            le=120,
        ),
    ] = 10.0


class Camera(Section, frozen=True):
    """The process that sees."""

    source: Annotated[Source, doc("Where pictures come from.")] = SceneSource()
    zones: Annotated[Zones, doc("Which parts of the picture count, and which are hidden.")] = (
        Zones()
    )
    motion: Annotated[Motion, doc("What counts as motion.")] = Motion()
    recording: Annotated[Recording, doc("What becomes a clip.")] = Recording()
