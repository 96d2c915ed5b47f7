"""``camera:`` in ``agent.yaml``: the source of pictures, motion, and recording."""

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
        Literal["none", "horizontal", "vertical"], doc("Mirrors the picture after the rotation.")
    ] = "none"
    exposure: Annotated[
        Literal["normal", "short", "long"],
        doc("short: less motion blur. long: less noise in the dark."),
    ] = "normal"
    exposure_compensation: Annotated[
        float, doc("Brighter or darker, in stops (EV).", ge=-4, le=4)
    ] = 0.0
    hdr: Annotated[
        bool, doc("High dynamic range; refused if neither camera nor board supports it.")
    ] = False
    focus_dioptres: Annotated[
        Annotated[float, Meta(ge=0, le=32)] | None,
        doc(
            "Fixed focus in 1/metres, 0 is far away; refused if the lens cannot move."
            " null: autofocus, if available."
        ),
    ] = None
    night_frames_per_second: Annotated[
        Annotated[float, Meta(ge=1, le=30)] | None,
        doc("Lowest rate in the dark, for longer exposures. null: never lower."),
    ] = None


class WebcamSource(Section, frozen=True, tag_field="type", tag="webcam"):
    """A USB camera (V4L2), encoded on this computer."""

    device: Annotated[
        str, doc("The device; /dev/v4l/by-id/... never changes.", pattern=r"\A/dev/[^\0]+\Z")
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
        doc("Format of the camera's pictures. mjpeg fits large pictures through USB 2."),
    ] = "mjpeg"


class StreamSource(Section, frozen=True, tag_field="type", tag="stream"):
    """A network camera (RTSP, HTTP) or a video file."""

    record: Annotated[
        str,
        doc(
            "Stream to record: rtsp(s)://, http(s)://, or the path of a file. Packets are copied.",
            min_length=1,
        ),
    ]
    detect: Annotated[
        str | None,
        doc(
            "The camera's small stream, for motion detection: 640x360 at 8 frames a second "
            "is enough. null: decode the main one."
        ),
    ] = None
    credentials_file: Annotated[
        Path | None,
        doc(
            "File whose first line is name:password of the camera. null: taken from the "
            "environment variable CLIP_AGENT_CAMERA_LOGIN, or from the URL (percent-encoded)."
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        doc(
            "For rtsps:// and https://: the camera's own certificate or its issuer's, PEM. "
            "null: the system's."
        ),
    ] = None
    certificate_name: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        doc("Name in the camera's certificate. null: the host of the URL."),
    ] = None
    verify_certificate: Annotated[
        bool,
        doc("false: anybody on the network can pose as the camera and learns its password."),
    ] = True
    transport: Annotated[
        Literal["tcp", "udp"],
        doc("Transport of RTSP packets. For udp see systemd/examples/ip-camera.conf."),
    ] = "tcp"
    pace: Annotated[
        Literal["live", "real-time", "import"],
        doc(
            "live: packets as they arrive (network cameras). real-time: a file, played like "
            "a camera. import: a file, read at full speed and dated to end now."
        ),
    ] = "live"


class SceneSource(Section, frozen=True, tag_field="type", tag="scene"):
    """A drawn street with walkers, for demonstrations and tests."""

    width: _Width = 640
    height: _Height = 360
    frames_per_second: _Rate = 15
    seed: Annotated[int, doc("The same seed draws the same street.", ge=0)] = 1
    walkers_per_minute: Annotated[
        float, doc("Walkers a minute; 0 is a still street.", ge=0, le=30)
    ] = 4.0
    duration_seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None, doc("Length of the scene. null: endless.")
    ] = None


Source = PiSource | WebcamSource | StreamSource | SceneSource

_Share = Annotated[float, Meta(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[_Share, _Share], ...], Meta(min_length=3, max_length=100)]


class Zones(Section, frozen=True):
    """Parts of the picture, as polygons of [x, y] from [0, 0] top left to [1, 1]."""

    include: Annotated[tuple[Polygon, ...], doc("Motion counts only here. Empty: everywhere.")] = ()
    exclude: Annotated[tuple[Polygon, ...], doc("Motion never counts here.")] = ()
    privacy: Annotated[
        tuple[Polygon, ...],
        doc("Painted over before recording. Not for a stream, whose packets are copied."),
    ] = ()


def covers_something(polygon: Polygon) -> bool:
    """True unless all corners of ``polygon`` lie on one line."""
    (x0, y0), *others = polygon
    spans = [(x - x0, y - y0) for x, y in others]
    return any(abs(dx * ey - ex * dy) > 1e-9 for dx, dy in spans for ex, ey in spans)


class Motion(Section, frozen=True):
    """The motion detector."""

    min_size: Annotated[
        int, doc("Smallest moving region that counts, in blocks of an 80x45 grid.", ge=1, le=400)
    ] = 4
    sensitivity: Annotated[
        float,
        doc(
            "1 is the measured default; 2 reacts to half the contrast over noise. "
            "Raise it if people with low contrast are missed.",
            ge=0.2,
            le=4,
        ),
    ] = 1.0
    frames_per_second: Annotated[
        float, doc("Frames a second that the detector examines.", ge=2, le=15)
    ] = 7.5


class Recording(Section, frozen=True):
    """The part of a motion's surroundings that becomes a clip."""

    pre_roll_seconds: Annotated[
        float, doc("Recorded from before the motion; kept in memory.", ge=0, le=30)
    ] = 5.0
    post_roll_seconds: Annotated[float, doc("Recorded after the last motion.", ge=1, le=60)] = 7.0
    max_clip_seconds: Annotated[
        float, doc("A longer recording continues in a new clip.", ge=10, le=600)
    ] = 120.0
    no_frame_seconds: Annotated[
        float,
        doc(
            "A camera silent for this long is lost; for a Pi's, the process ends.",
            ge=2,
            le=120,
        ),
    ] = 10.0


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Clock = r"([01][0-9]|2[0-3]):[0-5][0-9]"


class Period(Section, frozen=True, rename={"start": "from", "end": "to"}):
    """A time of the week in which the camera records; over midnight if it ends at or before."""

    start: Annotated[str, doc("Beginning, such as 22:00.", pattern=rf"\A{_Clock}\Z")]
    end: Annotated[str, doc("End, such as 06:00, or 24:00.", pattern=rf"\A({_Clock}|24:00)\Z")]
    days: Annotated[
        tuple[Day, ...], doc("Days on which it begins.", min_length=1, max_length=7)
    ] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Camera(Section, frozen=True):
    """The recording process."""

    armed: Annotated[
        tuple[Period, ...],
        doc(
            "Times in which the camera records, by the clock on the wall (see time.zone). Empty: "
            "always. An owner's arm or disarm overrides it.",
            max_length=50,
        ),
    ] = ()

    source: Annotated[Source, doc("Source of the pictures.")] = PiSource()
    zones: Annotated[Zones, doc("Parts of the picture that count or are hidden.")] = Zones()
    motion: Annotated[Motion, doc("Motion detection.")] = Motion()
    recording: Annotated[Recording, doc("Length of clips.")] = Recording()
