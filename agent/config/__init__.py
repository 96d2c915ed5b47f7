"""``agent.yaml`` as frozen structs: every key typed, documented, and known.

The structs are the authority. ``clip-agent config --example`` prints them as the
commented file in ``config/agent.yaml`` (:mod:`agent.config.example`), and
``--effective`` prints what a file came to with its defaults (:func:`effective`). Unknown keys,
duplicate keys and values out of range are refused with the path of the mistake.

Units stand in the names. Relative paths are taken from the folder of the file.
What the values mean to a part is that part's business: parts get plain keyword
arguments, never a :class:`Config`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import yaml

from agent.config.base import Section, doc
from agent.config.camera import (
    Camera,
    Motion,
    PiSource,
    Polygon,
    Recording,
    SceneSource,
    Source,
    StreamSource,
    WebcamSource,
    Zones,
)
from agent.config.camera_checks import check_camera
from agent.config.yamlfile import parse_yaml, read_text
from agent.errors import ConfigError

SQUARE_METRES_PER_SQUARE_MILE = 2_589_988.110336  # international mile, 1609.344 m


class Place(Section, frozen=True):
    """Where the camera stands. Used to judge requests; never leaves the device."""

    latitude: Annotated[float, doc("Degrees north, WGS 84.", ge=-90, le=90)]
    longitude: Annotated[float, doc("Degrees east, WGS 84.", ge=-180, le=180)]


class Device(Section, frozen=True):
    """Which camera this is."""

    name: Annotated[
        str,
        doc(
            "Name of this camera in MQTT topics: lower-case letters, digits, hyphens.",
            pattern=r"\A[a-z0-9][a-z0-9-]{0,31}\Z",
        ),
    ]
    place: Annotated[Place, doc("Where the camera stands. It never leaves the device.")]


class Tls(Section, frozen=True):
    """How to check a server's certificate."""

    ca_file: Annotated[
        Path | None, doc("Certificates to trust, PEM. null: those of the system.")
    ] = None


class Broker(Section, frozen=True):
    """An MQTT broker to connect to."""

    host: Annotated[str, doc("Host name or address of the broker.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, doc("8883 is usual with TLS, 1883 without.", ge=1, le=65535)] = 1883
    username: Annotated[str | None, doc("User at the broker. null: none.")] = None
    password_file: Annotated[
        Path | None, doc("File whose first line is the password. null: none.")
    ] = None
    tls: Annotated[Tls | None, doc("null: no TLS. {}: TLS with the system's certificates.")] = None
    keepalive_seconds: Annotated[
        int, doc("Longest silence before the connection is taken for dead.", ge=5, le=3600)
    ] = 60


class Feed(Section, frozen=True):
    """The public feed of requests."""

    topic: Annotated[
        str,
        doc(
            "Topic prefix of the feed; requests are read from <topic>/requests/#.",
            pattern=r"\A[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\Z",
        ),
    ] = "clip-feed"
    broker: Annotated[
        Broker | None, doc("The feed's own broker. null: it comes over the broker above.")
    ] = None
    log: Annotated[
        Literal["required", "optional", "off"] | None,
        doc(
            "Must a post stand in the public log? optional: it is checked where it says so. "
            "null: required once log_key is set, else off."
        ),
    ] = None
    log_key: Annotated[
        str | None,
        doc("The public log's key: a verifier key of a signed note (C2SP), name+hash+key."),
    ] = None
    witness_keys: Annotated[
        tuple[str, ...], doc("Keys of witnesses that watch the log, in the same form.")
    ] = ()
    witnesses_needed: Annotated[
        int, doc("How many of them must have seen the log as we see it.", ge=0)
    ] = 0


class Storage(Section, frozen=True):
    """How much is kept, and for how long."""

    max_bytes: Annotated[int, doc("All clips together; the oldest go first.", ge=10_000_000)] = (
        8_000_000_000
    )
    max_age_days: Annotated[float, doc("Older clips go.", gt=0, le=3650)] = 30.0
    min_free_bytes: Annotated[
        int, doc("Left free on the disk; below it the oldest clips go.", ge=0)
    ] = 500_000_000
    max_held_share: Annotated[
        float,
        doc("Share of max_bytes that clips asked for by open requests may hold.", ge=0, le=1),
    ] = 0.5


Kind = Literal["voluntary", "legal-order"]


class Requests(Section, frozen=True):
    """Which requests may reach the owner at all. The defaults are the rules of 2021."""

    accept: Annotated[
        tuple[Kind, ...],
        doc("Kinds that may ask. [legal-order] is warrants only, [] is closed."),
    ] = ("voluntary", "legal-order")
    min_window_seconds: Annotated[int, doc("Shortest window a request may ask for.", ge=0)] = 900
    max_window_seconds: Annotated[int, doc("Longest window a request may ask for.", ge=1)] = 43_200
    min_area_square_miles: Annotated[
        float, doc("Smallest area: below it a request would name a house.", ge=0)
    ] = 0.025
    max_area_square_miles: Annotated[float, doc("Largest area.", gt=0)] = 0.5
    max_open_days: Annotated[
        float, doc("Longest time from issue to expiry of a request.", gt=0, le=90)
    ] = 7.0
    max_open_per_requester: Annotated[
        int, doc("Requests of one requester that may be open at a time.", ge=1)
    ] = 2
    max_daily_per_requester: Annotated[
        int, doc("Requests of one requester in any 24 hours.", ge=1)
    ] = 4
    max_per_reference: Annotated[
        int, doc("Requests of one requester under one reference number.", ge=1)
    ] = 2
    max_kept_daily_per_requester: Annotated[
        int,
        doc(
            "Posts of one requester that are recorded one by one in a day (UTC). Above it they "
            "are only counted. What nobody can be held to has one such measure in all.",
            ge=1,
            le=10_000,
        ),
    ] = 50
    muted: Annotated[
        tuple[str, ...], doc("Fingerprints of requesters that are never shown to the owner.")
    ] = ()
    never_incidents: Annotated[
        tuple[str, ...],
        doc(
            "Incident types that are never answered. Each word stands for all that begin with it, "
            "if it has four letters or more: protest, protests, protesters."
        ),
    ] = (
        "protest",
        "assembly",
        "assemblies",
        "immigration",
        "immigrant",
        "reproductive-health",
    )


class Upload(Section, frozen=True):
    """How an approved bundle leaves."""

    chunk_bytes: Annotated[
        int, doc("Sent in one request; after each one progress is kept.", ge=65_536)
    ] = 1_048_576
    timeout_seconds: Annotated[float, doc("Longest wait for an answer.", ge=1, le=600)] = 30.0
    max_backoff_seconds: Annotated[
        float, doc("Longest pause between two tries.", ge=1, le=86_400)
    ] = 900.0
    ca_file: Annotated[
        Path | None, doc("Certificates to trust for uploads, PEM. null: the system's.")
    ] = None
    allow_loopback_http: Annotated[
        bool, doc("Also upload to http://127.0.0.1: for demonstrations and tests only.")
    ] = False


class Time(Section, frozen=True):
    """How the agent knows that the clock is right."""

    synced_marker: Annotated[
        Path | None,
        doc(
            "File the time service makes once it has set the clock. null: the clock is "
            "always right (battery clock, or a service that leaves no marker)."
        ),
    ] = Path("/run/systemd/timesync/synchronized")


MAX_OWNERS = 16  # every clip has two readers for each: what opens it allows for no more


class Config(Section, frozen=True):
    """The whole of ``agent.yaml``."""

    device: Annotated[Device, doc("Which camera this is.")]
    owners: Annotated[
        tuple[Path, ...],
        doc(
            "Cards of the owners: every clip is sealed to all of them.",
            min_length=1,
            max_length=MAX_OWNERS,
        ),
    ]
    approvals_needed: Annotated[
        Literal[1, 2],
        doc("How many owners must approve the same before a clip leaves. Any one may decline."),
    ] = 1
    requesters: Annotated[Path, doc("Cards of the requesters that may ask.")] = Path(
        "/etc/clip-agent/requesters.yaml"
    )
    state_dir: Annotated[Path, doc("Clips, index, ledger, keys.")] = Path("/var/lib/clip-agent")
    camera: Annotated[Camera, doc("The process that sees.")] = Camera()
    storage: Annotated[Storage, doc("How much is kept.")] = Storage()
    mqtt: Annotated[Broker, doc("The owner's broker.")] = Broker()
    feed: Annotated[Feed, doc("The public feed of requests.")] = Feed()
    requests: Annotated[Requests, doc("Which requests may reach the owner.")] = Requests()
    upload: Annotated[Upload, doc("How an approved bundle leaves.")] = Upload()
    time: Annotated[Time, doc("How the agent knows that the clock is right.")] = Time()


EXAMPLE = Config(
    device=Device(name="front-door", place=Place(latitude=42.1015, longitude=-72.5898)),
    owners=(Path("owner.card.yaml"),),
)


def load(path: Path) -> Config:
    """The configuration in ``path``, checked, its paths made absolute.

    Raises :class:`ConfigError`.
    """
    config = parse_yaml(read_text(path), Config, str(path), base=path.resolve().parent)
    _check_limits(config.requests, str(path))
    check_camera(config.camera, str(path))
    _check_log(config.feed, str(path))
    if config.approvals_needed > len(config.owners):
        raise ConfigError(
            f"{path}: approvals_needed: {config.approvals_needed} owners must agree, and"
            f" `owners` names {len(config.owners)}"
        )
    return config


def _check_limits(requests: Requests, name: str) -> None:
    """Pairs of limits must leave room between them."""
    if requests.min_window_seconds > requests.max_window_seconds:
        raise ConfigError(f"{name}: requests.min_window_seconds: above max_window_seconds")
    if requests.min_area_square_miles > requests.max_area_square_miles:
        raise ConfigError(f"{name}: requests.min_area_square_miles: above max_area_square_miles")


def _check_log(feed: Feed, name: str) -> None:
    """A log can only be asked for with its key, and witnesses only with theirs."""
    if feed.log in ("required", "optional") and feed.log_key is None:
        raise ConfigError(f"{name}: feed.log_key: missing, since feed.log is {feed.log}")
    if feed.witnesses_needed > len(feed.witness_keys):
        raise ConfigError(
            f"{name}: feed.witnesses_needed: {feed.witnesses_needed}, and witness_keys holds"
            f" {len(feed.witness_keys)}"
        )


def effective(config: Config) -> str:
    """``config`` as YAML with all defaults filled in."""
    plain = msgspec.to_builtins(config, enc_hook=str)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
