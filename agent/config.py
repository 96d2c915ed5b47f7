"""``agent.yaml`` as frozen structs: every key typed, documented, and known.

The structs are the authority. ``clip-agent config --example`` prints them as the
commented file in ``config/agent.yaml`` (:mod:`agent.config_example`), and
``--effective`` prints what a file came to with its defaults (:func:`effective`). Unknown keys,
duplicate keys and values out of range are refused with the path of the mistake.

Units stand in the names. Relative paths are taken from the folder of the file.
What the values mean to a part is that part's business: parts get plain keyword
arguments, never a :class:`Config`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct

from agent.errors import ConfigError

T = TypeVar("T")

SQUARE_METRES_PER_SQUARE_MILE = 2_589_988.110336  # international mile, 1609.344 m


def _doc(text: str, **limits: Any) -> Meta:
    return Meta(description=text, **limits)


class _Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Common to all sections: immutable, no unknown keys."""


class Place(_Section, frozen=True):
    """Where the camera stands. Used to judge requests; never leaves the device."""

    latitude: Annotated[float, _doc("Degrees north, WGS 84.", ge=-90, le=90)]
    longitude: Annotated[float, _doc("Degrees east, WGS 84.", ge=-180, le=180)]


class Device(_Section, frozen=True):
    """Which camera this is."""

    name: Annotated[
        str,
        _doc(
            "Name of this camera in MQTT topics: lower-case letters, digits, hyphens.",
            pattern=r"\A[a-z0-9][a-z0-9-]{0,31}\Z",
        ),
    ]
    place: Annotated[Place, _doc("Where the camera stands. It never leaves the device.")]


class Tls(_Section, frozen=True):
    """How to check a server's certificate."""

    ca_file: Annotated[
        Path | None, _doc("Certificates to trust, PEM. null: those of the system.")
    ] = None


class Broker(_Section, frozen=True):
    """An MQTT broker to connect to."""

    host: Annotated[str, _doc("Host name or address of the broker.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, _doc("8883 is usual with TLS, 1883 without.", ge=1, le=65535)] = 1883
    username: Annotated[str | None, _doc("User at the broker. null: none.")] = None
    password_file: Annotated[
        Path | None, _doc("File whose first line is the password. null: none.")
    ] = None
    tls: Annotated[Tls | None, _doc("null: no TLS. {}: TLS with the system's certificates.")] = None
    keepalive_seconds: Annotated[
        int, _doc("Longest silence before the connection is taken for dead.", ge=5, le=3600)
    ] = 60


class Feed(_Section, frozen=True):
    """The public feed of requests."""

    topic: Annotated[
        str,
        _doc(
            "Topic prefix of the feed; requests are read from <topic>/requests/#.",
            pattern=r"\A[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\Z",
        ),
    ] = "clip-feed"
    broker: Annotated[
        Broker | None, _doc("The feed's own broker. null: it comes over the broker above.")
    ] = None


class StreamSource(_Section, frozen=True, tag_field="type", tag="stream"):
    """A network camera (RTSP, HTTP) or a video file."""

    record: Annotated[
        str,
        _doc(
            "What is recorded: rtsp://, http://, or the path of a file. Packets are copied.",
            min_length=1,
        ),
    ]
    detect: Annotated[
        str | None,
        _doc("The camera's small stream, for motion detection. null: decode the main one."),
    ] = None
    transport: Annotated[Literal["tcp", "udp"], _doc("How RTSP carries its packets.")] = "tcp"
    pace: Annotated[
        Literal["live", "real-time", "import"],
        _doc(
            "live: as packets come (network cameras). real-time: a file, played as if it "
            "were a camera. import: a file, as fast as it reads, dated to end now."
        ),
    ] = "live"


class SceneSource(_Section, frozen=True, tag_field="type", tag="scene"):
    """A drawn street with walkers: for demonstrations and tests."""

    width: Annotated[int, _doc("Pixels, even.", ge=320, le=1920, multiple_of=2)] = 640
    height: Annotated[int, _doc("Pixels, even.", ge=180, le=1080, multiple_of=2)] = 360
    frames_per_second: Annotated[int, _doc("Frames drawn a second.", ge=5, le=30)] = 15
    seed: Annotated[int, _doc("Same seed, same street.", ge=0)] = 1
    walkers_per_minute: Annotated[
        float, _doc("How often somebody walks by; 0 is a still street.", ge=0, le=30)
    ] = 4.0
    duration_seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None, _doc("The scene ends after this. null: never.")
    ] = None


Source = StreamSource | SceneSource


class Motion(_Section, frozen=True):
    """The motion detector's two knobs, and its rate."""

    min_size: Annotated[
        int,
        _doc("Smallest moving region that counts, in blocks of an 80x45 grid.", ge=1, le=400),
    ] = 4
    sensitivity: Annotated[
        float,
        _doc("1 is as measured; 2 reacts to half the contrast over noise.", ge=0.2, le=4),
    ] = 1.0
    frames_per_second: Annotated[
        float, _doc("How many frames a second the detector looks at.", ge=2, le=15)
    ] = 7.5


class Recording(_Section, frozen=True):
    """How much of the time around a motion becomes a clip."""

    pre_roll_seconds: Annotated[
        float, _doc("Kept from before the motion; lives in memory.", ge=0, le=30)
    ] = 5.0
    post_roll_seconds: Annotated[
        float, _doc("Goes on for this long after the last motion.", ge=1, le=60)
    ] = 7.0
    max_clip_seconds: Annotated[
        float, _doc("A longer clip is cut here and goes on in the next.", ge=10, le=600)
    ] = 120.0
    no_frame_seconds: Annotated[
        float, _doc("A camera silent for this long ends the process.", ge=2, le=120)
    ] = 10.0


class Camera(_Section, frozen=True):
    """The process that sees."""

    source: Annotated[Source, _doc("Where pictures come from.")] = SceneSource()
    motion: Annotated[Motion, _doc("What counts as motion.")] = Motion()
    recording: Annotated[Recording, _doc("What becomes a clip.")] = Recording()


class Storage(_Section, frozen=True):
    """How much is kept, and for how long."""

    max_bytes: Annotated[int, _doc("All clips together; the oldest go first.", ge=10_000_000)] = (
        8_000_000_000
    )
    max_age_days: Annotated[float, _doc("Older clips go.", gt=0, le=3650)] = 30.0
    min_free_bytes: Annotated[
        int, _doc("Left free on the disk; below it the oldest clips go.", ge=0)
    ] = 500_000_000
    max_held_share: Annotated[
        float,
        _doc("Share of max_bytes that clips asked for by open requests may hold.", ge=0, le=1),
    ] = 0.5


Kind = Literal["voluntary", "legal-order"]


class Requests(_Section, frozen=True):
    """Which requests may reach the owner at all. The defaults are the rules of 2021."""

    accept: Annotated[
        tuple[Kind, ...],
        _doc("Kinds that may ask. [legal-order] is warrants only, [] is closed."),
    ] = ("voluntary", "legal-order")
    min_window_seconds: Annotated[int, _doc("Shortest window a request may ask for.", ge=0)] = 900
    max_window_seconds: Annotated[int, _doc("Longest window a request may ask for.", ge=1)] = 43_200
    min_area_square_miles: Annotated[
        float, _doc("Smallest area: below it a request would name a house.", ge=0)
    ] = 0.025
    max_area_square_miles: Annotated[float, _doc("Largest area.", gt=0)] = 0.5
    max_open_days: Annotated[
        float, _doc("Longest time from issue to expiry of a request.", gt=0, le=90)
    ] = 7.0
    max_open_per_requester: Annotated[
        int, _doc("Requests of one requester that may be open at a time.", ge=1)
    ] = 2
    max_daily_per_requester: Annotated[
        int, _doc("Requests of one requester in any 24 hours.", ge=1)
    ] = 4
    max_per_reference: Annotated[
        int, _doc("Requests of one requester under one reference number.", ge=1)
    ] = 2
    muted: Annotated[
        tuple[str, ...], _doc("Key ids of requesters that are never shown to the owner.")
    ] = ()
    never_incidents: Annotated[tuple[str, ...], _doc("Incident types that are never answered.")] = (
        "protest",
        "assembly",
        "immigration",
        "reproductive-health",
    )


class Upload(_Section, frozen=True):
    """How an approved bundle leaves."""

    chunk_bytes: Annotated[
        int, _doc("Sent in one request; after each one progress is kept.", ge=65_536)
    ] = 1_048_576
    timeout_seconds: Annotated[float, _doc("Longest wait for an answer.", ge=1, le=600)] = 30.0
    max_backoff_seconds: Annotated[
        float, _doc("Longest pause between two tries.", ge=1, le=86_400)
    ] = 900.0
    ca_file: Annotated[
        Path | None, _doc("Certificates to trust for uploads, PEM. null: the system's.")
    ] = None
    allow_loopback_http: Annotated[
        bool, _doc("Also upload to http://127.0.0.1: for demonstrations and tests only.")
    ] = False


class Time(_Section, frozen=True):
    """How the agent knows that the clock is right."""

    synced_marker: Annotated[
        Path | None,
        _doc(
            "File the time service makes once it has set the clock. null: the clock is "
            "always right (battery clock, or a service that leaves no marker)."
        ),
    ] = Path("/run/systemd/timesync/synchronized")


class Config(_Section, frozen=True):
    """The whole of ``agent.yaml``."""

    device: Annotated[Device, _doc("Which camera this is.")]
    owners: Annotated[
        tuple[Path, ...],
        _doc("Cards of the owners: every clip is sealed to all of them.", min_length=1),
    ]
    requesters: Annotated[Path, _doc("Cards of the requesters that may ask.")] = Path(
        "/etc/clip-agent/requesters.yaml"
    )
    state_dir: Annotated[Path, _doc("Clips, index, ledger, keys.")] = Path("/var/lib/clip-agent")
    camera: Annotated[Camera, _doc("The process that sees.")] = Camera()
    storage: Annotated[Storage, _doc("How much is kept.")] = Storage()
    mqtt: Annotated[Broker, _doc("The owner's broker.")] = Broker()
    feed: Annotated[Feed, _doc("The public feed of requests.")] = Feed()
    requests: Annotated[Requests, _doc("Which requests may reach the owner.")] = Requests()
    upload: Annotated[Upload, _doc("How an approved bundle leaves.")] = Upload()
    time: Annotated[Time, _doc("How the agent knows that the clock is right.")] = Time()


EXAMPLE = Config(
    device=Device(name="front-door", place=Place(latitude=42.1015, longitude=-72.5898)),
    owners=(Path("owner.card.yaml"),),
)


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice instead of keeping the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, kind: type[T], name: str, base: Path = Path()) -> T:
    """``text`` as ``kind``; ``name`` is what an error calls it (a file's path).

    Relative paths inside are taken from ``base``. Raises :class:`ConfigError`
    with the line or the dotted path of the mistake.
    """

    def decode_path(type_: type[Any], value: Any) -> Any:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError("Expected a path")
        try:
            return base / type_(value).expanduser()
        except RuntimeError as error:  # ~nobody
            raise ValueError(str(error)) from error

    try:
        raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: {problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply") from error
    except (ValueError, LookupError) as error:  # PyYAML lets a tagged or dated value's own pass
        raise ConfigError(f"{name}: a value is not what its form says ({error})") from error
    try:
        plain = {} if raw is None else raw
        return msgspec.convert(plain, kind, strict=True, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_plain(str(error))}") from error


def _plain(message: str) -> str:
    """msgspec's message with the path first and in dots: ``mqtt.port: Expected `int```."""
    problem, _, path = message.partition(" - at ")
    path = path.strip("`").removeprefix("$").lstrip(".")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", problem):
        return f"{path + '.' if path else ''}{match[1]}: unknown key"
    if match := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{path + '.' if path else ''}{match[1]}: missing key"
    return f"{path or 'top level'}: {problem}"


def read_text(path: Path) -> str:
    """The text of a configuration or card file, or a :class:`ConfigError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error


def load(path: Path) -> Config:
    """The configuration in ``path``, checked, its paths made absolute.

    Raises :class:`ConfigError`.
    """
    config = parse_yaml(read_text(path), Config, str(path), base=path.resolve().parent)
    _check_limits(config.requests, str(path))
    return config


def _check_limits(requests: Requests, name: str) -> None:
    """Pairs of limits must leave room between them."""
    if requests.min_window_seconds > requests.max_window_seconds:
        raise ConfigError(f"{name}: requests.min_window_seconds: above max_window_seconds")
    if requests.min_area_square_miles > requests.max_area_square_miles:
        raise ConfigError(f"{name}: requests.min_area_square_miles: above max_area_square_miles")


def effective(config: Config) -> str:
    """``config`` as YAML with all defaults filled in."""
    plain = msgspec.to_builtins(config, enc_hook=str)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
