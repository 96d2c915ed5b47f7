"""``agent.yaml`` as frozen structs: every key typed and documented.

The structs are the authority. ``clip-agent config --example`` prints them as the commented file in
``config/agent.yaml`` (:mod:`agent.config.example`); ``--effective`` prints a file with its defaults
filled in (:func:`effective`). Unknown keys, duplicate keys and values out of range are refused with
the path of the mistake.

Names include units. Relative paths start at the folder of the file. Parts of the agent get plain
keyword arguments, never a :class:`Config`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml
from msgspec import Meta
from msgspec.structs import replace

from agent.config.base import Section, doc
from agent.config.camera import (
    Camera,
    Motion,
    Period,
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
from agent.config.homeassistant import HomeAssistant
from agent.config.owner_cards import MAX_OWNERS, cards_of, check_owners
from agent.config.yamlfile import first_line, parse_yaml, read_text
from agent.errors import ConfigError

SQUARE_METRES_PER_SQUARE_MILE = 2_589_988.110336  # international mile, 1609.344 m
_TLS_PORT = 8883
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


class Place(Section, frozen=True):
    """The camera's position, used to judge requests. Its owners alone are told it."""

    latitude: Annotated[float, doc("Degrees north, WGS 84.", ge=-90, le=90)]
    longitude: Annotated[float, doc("Degrees east, WGS 84.", ge=-180, le=180)]


class Device(Section, frozen=True):
    """The camera's name and place."""

    name: Annotated[
        str,
        doc(
            "Name of this camera in MQTT topics: lower-case letters, digits, hyphens.",
            pattern=r"\A[a-z0-9][a-z0-9-]{0,31}\Z",
        ),
    ]
    place: Annotated[Place, doc("Position of the camera. Its owners alone are told it.")]


class Tls(Section, frozen=True):
    """TLS, with the certificates to trust."""

    ca_file: Annotated[Path | None, doc("Trusted certificates, PEM. null: the system's.")] = None


class Broker(Section, frozen=True):
    """An MQTT broker to connect to."""

    host: Annotated[str, doc("Host name or address of the broker.", min_length=1)] = "127.0.0.1"
    port: Annotated[int, doc("Usually 8883 with TLS, 1883 without.", ge=1, le=65535)] = 1883
    username: Annotated[str | None, doc("User at the broker. null: none.")] = None
    password_file: Annotated[
        Path | None, doc("File whose first line is the password. null: none.")
    ] = None
    tls: Annotated[Tls | None, doc("null: no TLS. {}: TLS with the system's certificates.")] = None
    keepalive_seconds: Annotated[
        int, doc("A connection that is silent for longer is closed.", ge=5, le=3600)
    ] = 60

    def __post_init__(self) -> None:
        """Refuse to send the password in clear to a port of MQTT over TLS."""
        if self.port == _TLS_PORT and self.tls is None:
            raise ValueError(
                f"port {_TLS_PORT} is for TLS: add `tls: {{}}` (or --tls), with a ca_file for a"
                " certificate of your own"
            )


class Feed(Section, frozen=True):
    """The public feed of requests."""

    topic: Annotated[
        str,
        doc(
            "Topic prefix of the feed; requests are read from <topic>/requests/#.",
            pattern=r"\A[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\Z",
        ),
    ] = "clip-feed"
    broker: Annotated[Broker | None, doc("Broker of the feed. null: the broker above.")] = None
    log: Annotated[
        Literal["required", "optional", "off"] | None,
        doc(
            "Must a post be in the public log? optional: a proof is checked if there is one. "
            "null: required if log_key is set, else off."
        ),
    ] = None
    log_key: Annotated[
        str | None,
        doc("Public key of the log: a verifier key of a signed note (C2SP), name+hash+key."),
    ] = None
    witness_keys: Annotated[
        tuple[str, ...], doc("Keys of witnesses that watch the log, in the same form.")
    ] = ()
    witnesses_needed: Annotated[int, doc("Witnesses that must have signed the log.", ge=0)] = 0


class Storage(Section, frozen=True):
    """Limits on the clips that are kept. The oldest go first, of busy hours before others."""

    max_bytes: Annotated[int, doc("Size of all clips together.", ge=10_000_000)] = 8_000_000_000
    max_age_days: Annotated[float, doc("Older clips are deleted.", gt=0, le=3650)] = 30.0
    min_free_bytes: Annotated[int, doc("Free space to leave on the disk.", ge=0)] = 500_000_000
    max_held_share: Annotated[
        float, doc("Share of max_bytes that clips matched by open requests may hold.", ge=0, le=1)
    ] = 0.5


Kind = Literal["voluntary", "legal-order"]


class Requests(Section, frozen=True):
    """Limits on the requests that reach the owner. The defaults are the rules of 2021."""

    accept: Annotated[
        tuple[Kind, ...],
        doc("Kinds of requests accepted. [legal-order]: warrants only. []: none."),
    ] = ("voluntary", "legal-order")
    min_window_seconds: Annotated[int, doc("Shortest window of a request.", ge=0)] = 900
    max_window_seconds: Annotated[int, doc("Longest window of a request.", ge=1)] = 43_200
    min_area_square_miles: Annotated[
        float, doc("Smallest area; a smaller one could point at a single house.", ge=0)
    ] = 0.025
    max_area_square_miles: Annotated[float, doc("Largest area.", gt=0)] = 0.5
    max_open_days: Annotated[float, doc("Longest time from issue to expiry.", gt=0, le=90)] = 7.0
    max_open_per_requester: Annotated[int, doc("Open requests of one requester.", ge=1)] = 2
    max_daily_per_requester: Annotated[
        int, doc("Requests of one requester in any 24 hours.", ge=1)
    ] = 4
    max_per_reference: Annotated[
        int, doc("Requests of one requester under one reference number.", ge=1)
    ] = 2
    max_kept_daily_per_requester: Annotated[
        int,
        doc(
            "Posts of one requester stored in a day (UTC); further posts are only counted. "
            "Posts without a known author share one such limit.",
            ge=1,
            le=10_000,
        ),
    ] = 50
    muted: Annotated[
        tuple[str, ...], doc("Fingerprints of requesters that are not shown; spaces are ignored.")
    ] = ()
    never_incidents: Annotated[
        tuple[str, ...],
        doc(
            "Incident types that are refused. A word of four letters or more also matches longer "
            "words that begin with it: protest, protests, protesters."
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
    """Upload of approved bundles."""

    chunk_bytes: Annotated[
        int,
        doc("Bytes in an upload's first request; later ones grow with the line.", ge=65_536),
    ] = 1_048_576
    max_rate: Annotated[
        Annotated[int, Meta(ge=64_000)] | Literal["auto", "unlimited"],
        doc(
            "Bits per second of uploads, 64000 or more. auto: half of what the line carries, "
            "measured with some chunks; no limit to private addresses. unlimited: no limit."
        ),
    ] = "auto"
    timeout_seconds: Annotated[float, doc("Longest wait for an answer.", ge=1, le=600)] = 30.0
    max_backoff_seconds: Annotated[
        float, doc("Longest pause between two tries.", ge=1, le=86_400)
    ] = 900.0
    ca_file: Annotated[Path | None, doc("Trusted certificates, PEM. null: the system's.")] = None
    allow_loopback_http: Annotated[
        bool, doc("Also upload to http://127.0.0.1: for demonstrations and tests only.")
    ] = False


class Time(Section, frozen=True):
    """The check that the clock is right."""

    synced_marker: Annotated[
        Path | None,
        doc(
            "File that the time service creates once it has set the clock. null: the clock is "
            "always trusted (battery clock, or a service without such a file)."
        ),
    ] = Path("/run/systemd/timesync/synchronized")
    zone: Annotated[
        str | None,
        doc("Time zone of camera.armed, such as Europe/Berlin. null: the system's."),
    ] = None


class Config(Section, frozen=True):
    """The whole of ``agent.yaml``."""

    device: Annotated[Device, doc("This camera.")]
    owners: Annotated[
        tuple[Path, ...],
        doc(
            "Key cards of the owners, or folders of such cards (*.card.yaml). Every clip is sealed "
            "to all of them.",
            min_length=1,
            max_length=MAX_OWNERS,
        ),
    ]
    approvals_needed: Annotated[
        Literal[1, 2],
        doc("Owners who must approve the same clips before they leave. Any one may decline."),
    ] = 1
    requesters: Annotated[Path, doc("Key cards of the requesters that may ask.")] = Path(
        "/etc/clip-agent/requesters.yaml"
    )
    state_dir: Annotated[Path, doc("Folder for clips, index, ledger and keys.")] = Path(
        "/var/lib/clip-agent"
    )
    camera: Annotated[Camera, doc("Camera and recording.")] = Camera()
    storage: Annotated[Storage, doc("Clips that are kept; the oldest are deleted first.")] = (
        Storage()
    )
    mqtt: Annotated[Broker, doc("The owner's broker.")] = Broker()
    feed: Annotated[Feed, doc("The public feed of requests.")] = Feed()
    requests: Annotated[Requests, doc("Limits on the requests that reach the owner.")] = Requests()
    upload: Annotated[Upload, doc("Upload of approved bundles.")] = Upload()
    time: Annotated[Time, doc("The check that the clock is right.")] = Time()
    homeassistant: Annotated[
        HomeAssistant | None, doc("Entities in Home Assistant. null: none. {}: all below.")
    ] = None


EXAMPLE = Config(  # nobody's place: `clip-agent check` asks for the true one
    device=Device(name="front-door", place=Place(latitude=0.0, longitude=0.0)),
    owners=(Path("owner.card.yaml"),),
)


def load(path: Path, *, is_paired: bool = True) -> Config:
    """The checked configuration in ``path``, with absolute paths; raises ConfigError.

    Folders among the owners are replaced by the cards in them. Without ``is_paired`` these may be
    empty, as they are before the first pairing.
    """
    config = parse_yaml(read_text(path), Config, str(path), base=path.resolve().parent)
    config = replace(config, owners=cards_of(config.owners))
    if is_paired:
        check_owners(config.owners, config.approvals_needed, str(path))
    _check_limits(config.requests, str(path))
    check_camera(config.camera, str(path))
    _check_log(config.feed, str(path))
    time_zone(config.time, str(path))
    muted = tuple(_whole_fingerprint(text, str(path)) for text in config.requests.muted)
    return replace(config, requests=replace(config.requests, muted=muted))


def time_zone(time: Time, name: str = "agent.yaml") -> ZoneInfo | None:
    """The time zone of schedules; None for the system's. ConfigError names the file ``name``."""
    if time.zone is None:
        return None
    try:
        return ZoneInfo(time.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{name}: time.zone: there is no time zone {time.zone!r}",
            advice="`timedatectl list-timezones` names them",
        ) from error


def _whole_fingerprint(text: str, name: str) -> str:
    """A fingerprint without the spaces between its groups."""
    fingerprint = "".join(text.split())
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ConfigError(
            f"{name}: requests.muted: {text!r} is not a whole fingerprint of 43 characters",
            advice="Copy all of it, as `clip-agent check` and `clip-agent requests` print it",
        )
    return fingerprint


def _check_limits(requests: Requests, name: str) -> None:
    """Each lower limit must not exceed its upper limit."""
    if requests.min_window_seconds > requests.max_window_seconds:
        raise ConfigError(f"{name}: requests.min_window_seconds: above max_window_seconds")
    if requests.min_area_square_miles > requests.max_area_square_miles:
        raise ConfigError(f"{name}: requests.min_area_square_miles: above max_area_square_miles")


def _check_log(feed: Feed, name: str) -> None:
    """A log needs its key, and witnesses need theirs."""
    if feed.log in ("required", "optional") and feed.log_key is None:
        raise ConfigError(f"{name}: feed.log_key: missing, since feed.log is {feed.log}")
    if feed.witnesses_needed > len(feed.witness_keys):
        raise ConfigError(
            f"{name}: feed.witnesses_needed: {feed.witnesses_needed}, but witness_keys lists"
            f" {len(feed.witness_keys)}"
        )


def effective(config: Config) -> str:
    """``config`` as YAML with all defaults filled in."""
    plain = msgspec.to_builtins(config, enc_hook=str)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
