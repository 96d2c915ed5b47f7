"""Times, sizes, outcomes and fingerprints as a person reads them. Times are local, with zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from agent.consent.cards import format_fingerprint
from agent.consent.policy import area
from agent.consent.statements import (
    ApprovedClip,
    ClipOffer,
    Disclosure,
    HouseholdOwner,
    Polygon,
    ReleasedFile,
    Status,
    Tally,
)
from agent.errors import RequestRefused
from agent.media.editing.content import Prepared
from agent.owner import redaction_text
from agent.owner.inbox.items import Answer, Away, CameraReport

_RULES = {  # rules whose names say little
    "jti-reused": "id used again",
    "incident-never": "kind of incident that is never answered",
    "kind-not-accepted": "kind of request that you do not accept",
    "requester-muted": "while muted",
    "upload-not-allowed": "upload to a host not on their card",
}
_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3_600, 86_400


def moment(seconds: float) -> str:
    """A time in this computer's zone, to the minute: ``Wed 24 Jan 2024, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b %Y, %H:%M %Z")


def brief(seconds: float) -> str:
    """A time near now in this computer's zone, for tables: ``24 Jan, 18:30 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M %Z")


def short_fingerprint(text: str) -> str:
    """The first three groups of a fingerprint, enough to compare by eye."""
    return f"{format_fingerprint(text[:12])} …"


def outcome(event: str, detail: str = "") -> str:
    """The last report of a camera on a decision, or that there is none."""
    why = f": {detail}" if detail else ""
    if detail.startswith(("issued-in-future", "expired")) and "clock" not in detail:
        why += " (is this computer's clock right?)"
    return {
        "": "no answer of the camera yet",
        "PROPOSED": "waits for another owner",
        "APPROVED": f"being prepared{why}",
        "SEALED": f"ready, being sent{why}",
        "HELD": f"held until this tool has named it again{why}",
        "SENT": f"sent, {detail or 'no receipt yet'}",
        "DELIVERED": "delivered: the recipient has opened and verified it",
        "REJECTED": f"sent, and rejected by the recipient{why}",
        "REVOKED": f"stopped, not sent{why}",
        "FAILED": f"not sent{why}",
        "REFUSED": f"refused by your camera{why}",
        "AGREED": f"completed {detail[:8]}",
        "DECLINED": "declined",
    }.get(event, f"{event}{why}")


def subject(answer: Answer) -> str:
    """The subject of an answer: its request, a share, or a command."""
    if answer.request is not None:
        return f"request {answer.request[:8]}"
    return {"share": "a share", "command": "a command"}.get(answer.what, answer.what)


def arming(status: Status) -> str:
    """Recording off or on, who switched it and when; empty if nobody ever did."""
    said = status.arming
    names = {one.fingerprint: one.name for one in status.owners}
    by = f" by {names.get(said.owner, 'an owner who has left')}" if said.owner is not None else ""
    since = f" since {moment(said.at)}" if said.at is not None else ""
    if said.scheduled:
        until = "" if said.until is None else f" until {moment(said.until)}"
        return f"{'on' if said.armed else 'off'} by its schedule{until}"
    if said.armed:
        return f"on{since}{by}" if since else ""
    return f"off{since}{by}"


def away(one: Away) -> str:
    """A sentence about a camera that is offline."""
    heard = "" if one.heard_at is None else f", last heard of {moment(one.heard_at)}"
    return f"{one.device} is offline{heard}"


def unheard(camera: CameraReport) -> str:
    """A sentence about a camera whose last status does not tell of now."""
    status = camera.status
    since = "" if status is None else f" since {moment(status.iat)}"
    return f"Nothing has been heard from {camera.device}{since}: {camera.silence}"


NOTHING_TOLD = "nothing: no name, no address, no e-mail"


def notes(offer: ClipOffer) -> list[str]:
    """Remarks on a clip, beside its times."""
    said = {
        "end is missing": offer.truncated,
        "time uncertain": not offer.clock_synced,
        "kept": offer.kept,
    }
    return [note for note, is_so in said.items() if is_so]


def awaited(household: Sequence[HouseholdOwner], signed: set[str]) -> str:
    """The owners who are still to agree, by name if the camera has told the names."""
    names = [owner.name for owner in household if owner.fingerprint not in signed]
    return " or ".join(names) if names else "another owner"


def names(owners: Sequence[HouseholdOwner]) -> str:
    """The owners' names."""
    return ", ".join(owner.name for owner in owners)


def named(household: Sequence[HouseholdOwner], key: str) -> str:
    """An owner by name and fingerprint, or by fingerprint alone."""
    names = (owner.name for owner in household if owner.fingerprint == key)
    return f"{next(names, 'another owner')} (key {short_fingerprint(key)})"


def changes(clip: ApprovedClip) -> list[str]:
    """The trim, the redactions and the conversion of a clip, a line each."""
    trim = clip.trim
    trims = [] if trim is None else [f"only {trim.from_seconds:g} s to {trim.to_seconds:g} s of it"]
    converted = ["as H.264, encoded again if it is not"] if clip.codec else []
    return trims + redaction_text.lines(clip.redact) + converted


def pictures(offer: ClipOffer, prepared: Prepared) -> str:
    """The pictures that leave, as the release states them, with times in this computer's zone."""
    first, last = (
        datetime.fromtimestamp(ms / 1000).astimezone()
        for ms in prepared.times_ms(offer.started_at * 1000 + offer.start_ms)
    )
    count = "1 picture" if prepared.pictures == 1 else f"{prepared.pictures} pictures"
    codec = {"h264": "H.264", "hevc": "H.265"}[prepared.codec]
    clock = "%H:%M:%S.%f"
    begin, end = (f"{one.strftime(clock)[:-3]}" for one in (first, last))
    return f"{count}, {codec}, from {first.strftime('%a %d %b')}, {begin} to {end} {last:%Z}"


def left(event: str, files: Sequence[ReleasedFile]) -> list[str]:
    """The clips that a release has sent, each with its digest in the next line; none before."""
    if event not in ("SENT", "DELIVERED", "REJECTED"):
        return []
    return [line for one in files for line in (f"clip {one.clip}, SHA-256", f"  {one.sha256}")]


def disclosed(disclose: Disclosure) -> str:
    """The data of the owner that is sent along; empty if none is."""
    told = msgspec.to_builtins(disclose)
    return ", ".join(f"your {key} {value}" for key, value in told.items() if value)


def exact(seconds: float) -> str:
    """A time in this computer's zone, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %d %b, %H:%M:%S %Z")


def second(seconds: float) -> str:
    """A time near now to the second, for tables: ``24 Jan, 18:30:15 CET``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%d %b, %H:%M:%S %Z")


def month(seconds: float) -> str:
    """The month of a time: ``March 2024``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%B %Y")


def size(count: int) -> str:
    """Bytes for people, in powers of ten."""
    if count < 1_000_000:
        return f"{count / 1_000:.0f} kB"
    return f"{count / 1_000_000:.1f} MB"


def remaining(seconds: float) -> str:
    """The time that something is still open."""
    if seconds <= 0:
        return "expired"
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} days left"
    if seconds >= 2 * _HOUR_SECONDS:
        return f"{seconds / _HOUR_SECONDS:.0f} hours left"
    return f"{seconds / _MINUTE_SECONDS:.0f} minutes left"


def ago(seconds: float) -> str:
    """The time since something happened."""
    if seconds < 2 * _MINUTE_SECONDS:
        return "just now"
    if seconds >= 2 * _DAY_SECONDS:
        return f"{seconds / _DAY_SECONDS:.0f} days ago"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time: ``45 min``, ``2 h``, ``12.5 h``."""
    if seconds < 2 * _HOUR_SECONDS:
        return f"{seconds / _MINUTE_SECONDS:.0f} min"
    return f"{seconds / _HOUR_SECONDS:.3g} h"


def length(seconds: float) -> str:
    """The length of a clip, which is unknown if its end was lost."""
    return f"{seconds:.0f} s" if seconds > 0 else "unknown"


def times(count: int) -> str:
    """``once``, ``twice``, ``12 times``."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def clips(count: int) -> str:
    """``1 clip``, ``3 clips``."""
    return f"{count} clip" if count == 1 else f"{count} clips"


def legal_orders(count: int) -> str:
    """``a legal order is``, ``3 legal orders are``."""
    return "a legal order is" if count == 1 else f"{count} legal orders are"


def tallies(found: Iterable[Tally]) -> str:
    """``burglary 7, theft 2``."""
    return ", ".join(f"{tally.name} {tally.count}" for tally in found)


def refusals(found: Iterable[Tally]) -> str:
    """The rules that refused: ``time asked about too long 1, id used again 2``."""
    return ", ".join(f"{rule(tally.name)} {tally.count}" for tally in found)


def rule(name: str) -> str:
    """A rule of the camera's policy in plain words."""
    text = _RULES.get(name, name).replace("-", " ")
    return f"time asked about {text.removeprefix('window ')}" if "window " in text else text


def place(polygon: Polygon) -> str:
    """Size and centre of an area."""
    ring = polygon.coordinates[0]
    longitudes, latitudes = [p[0] for p in ring], [p[1] for p in ring]
    latitude = (min(latitudes) + max(latitudes)) / 2
    longitude = (min(longitudes) + max(longitudes)) / 2
    try:
        area.check(polygon)
        measure = f"{area.square_miles(polygon):.3f} square miles"
    except RequestRefused as error:
        measure = f"of no size ({error.message})"
    return f"{measure} around {latitude:.4f}, {longitude:.4f}"
