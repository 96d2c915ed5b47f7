"""Times, sizes, outcomes and fingerprints as a person reads them. Times are local, with zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

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
from agent.owner.inbox.items import Answer, Away, CameraReport
from agent.owner.wording import redaction_text
from agent.owner.wording.words import _, ngettext, plural

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


def clock(seconds: float) -> str:
    """A time of day in this computer's zone, to the second: ``18:30:15``."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S")


def short_fingerprint(text: str) -> str:
    """The first three groups of a fingerprint, enough to compare by eye."""
    return f"{format_fingerprint(text[:12])} …"


def outcome(event: str, detail: str = "") -> str:
    """The last report of a camera on a decision, or that there is none."""
    why = f": {detail}" if detail else ""
    if detail.startswith(("issued-in-future", "expired")) and "clock" not in detail:
        why += " " + _("(is this computer's clock right?)")
    return {
        "": _("no answer of the camera yet"),
        "PROPOSED": _("waits for another owner"),
        "APPROVED": _("being prepared") + why,
        "SEALED": _("ready, being sent") + why,
        "HELD": _("held until this tool has named it again") + why,
        "SENT": _("sent, {detail}").format(detail=detail or _("no receipt yet")),
        "DELIVERED": _("delivered: the recipient has opened and verified it"),
        "REJECTED": _("sent, and rejected by the recipient") + why,
        "REVOKED": _("stopped, not sent") + why,
        "FAILED": _("not sent") + why,
        "REFUSED": _("refused by your camera") + why,
        "AGREED": _("completed {release}").format(release=detail[:8]),
        "DECLINED": _("declined"),
    }.get(event, f"{event}{why}")


def subject(answer: Answer) -> str:
    """The subject of an answer: its request, a share, or a command."""
    if answer.request is not None:
        return _("request {name}").format(name=answer.request[:8])
    return {"share": _("a share"), "command": _("a command")}.get(answer.what, answer.what)


def arming(status: Status) -> str:
    """Recording off or on, who switched it and when; empty if nobody ever did."""
    said = status.arming
    names = {one.fingerprint: one.name for one in status.owners}
    by = f" by {names.get(said.owner, 'an owner who has left')}" if said.owner is not None else ""
    since = f" since {moment(said.at)}" if said.at is not None else ""
    if said.scheduled:
        until = "" if said.until is None else f" until {moment(said.until)}"
        return f"{'on' if said.armed else 'off'} by its schedule{until}"
    if said.switched:
        return f"{'on' if said.armed else 'off'} by the switch in Home Assistant"
    if said.armed:
        return f"on{since}{by}" if since else ""
    return f"off{since}{by}"


def away(one: Away) -> str:
    """A sentence about a camera that is offline."""
    if one.heard_at is None:
        return _("{camera} is offline").format(camera=one.device)
    said = _("{camera} is offline, last heard of {when}")
    return said.format(camera=one.device, when=moment(one.heard_at))


def unheard(camera: CameraReport) -> str:
    """A sentence about a camera whose last status does not tell of now."""
    status = camera.status
    if status is None:
        said = _("Nothing has been heard from {camera}: {why}")
        return said.format(camera=camera.device, why=camera.silence)
    said = _("Nothing has been heard from {camera} since {when}: {why}")
    return said.format(camera=camera.device, when=moment(status.iat), why=camera.silence)


def nothing_told() -> str:
    """The sentence for a disclosure that is empty."""
    return _("nothing: no name, no address, no e-mail")


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
    return _(" or ").join(names) if names else _("another owner")


def names(owners: Sequence[HouseholdOwner]) -> str:
    """The owners' names."""
    return ", ".join(owner.name for owner in owners)


def named(household: Sequence[HouseholdOwner], key: str) -> str:
    """An owner by name and fingerprint, or by fingerprint alone."""
    names = (owner.name for owner in household if owner.fingerprint == key)
    who = next(names, _("another owner"))
    return _("{name} (key {key})").format(name=who, key=short_fingerprint(key))


def changes(clip: ApprovedClip) -> list[str]:
    """The trim, the redactions and the conversion of a clip, a line each."""
    trim = clip.trim
    trims = []
    if trim is not None:
        begin, end = f"{trim.from_seconds:g}", f"{trim.to_seconds:g}"
        trims = [_("only {begin} s to {end} s of it").format(begin=begin, end=end)]
    converted = [_("as H.264, encoded again if it is not")] if clip.codec else []
    return trims + redaction_text.lines(clip.redact) + converted


def pictures(offer: ClipOffer, prepared: Prepared) -> str:
    """The pictures that leave, as the release states them, with times in this computer's zone."""
    first, last = (
        datetime.fromtimestamp(ms / 1000).astimezone()
        for ms in prepared.times_ms(offer.started_at * 1000 + offer.start_ms)
    )
    count = ngettext("{count} picture", "{count} pictures", prepared.pictures)
    count = count.format(count=prepared.pictures)
    codec = {"h264": "H.264", "hevc": "H.265"}[prepared.codec]
    clock = "%H:%M:%S.%f"
    begin, end = (f"{one.strftime(clock)[:-3]}" for one in (first, last))
    day = first.strftime("%a %d %b")
    return _("{count}, {codec}, from {day}, {begin} to {end} {zone}").format(
        count=count, codec=codec, day=day, begin=begin, end=end, zone=f"{last:%Z}"
    )


def left(event: str, files: Sequence[ReleasedFile]) -> list[str]:
    """The clips that a release has sent, each with its digest in the next line; none before."""
    if event not in ("SENT", "DELIVERED", "REJECTED"):
        return []
    return [
        line
        for one in files
        for line in (_("clip {clip}, SHA-256").format(clip=one.clip), f"  {one.sha256}")
    ]


def disclosed(disclose: Disclosure) -> str:
    """The data of the owner that is sent along; empty if none is."""
    told = (
        (_("your name {value}"), disclose.name),
        (_("your address {value}"), disclose.address),
        (_("your email {value}"), disclose.email),
    )
    return ", ".join(sentence.format(value=value) for sentence, value in told if value)


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
    if count < 1_000_000_000:
        return f"{count / 1_000_000:.1f} MB"
    return f"{count / 1_000_000_000:.1f} GB"


def remaining(seconds: float) -> str:
    """The time that something is still open."""
    if seconds <= 0:
        return _("expired")
    if seconds >= 2 * _DAY_SECONDS:
        return _("{count} days left").format(count=f"{seconds / _DAY_SECONDS:.0f}")
    if seconds >= 2 * _HOUR_SECONDS:
        return _("{count} hours left").format(count=f"{seconds / _HOUR_SECONDS:.0f}")
    return _("{count} minutes left").format(count=f"{seconds / _MINUTE_SECONDS:.0f}")


def ago(seconds: float) -> str:
    """The time since something happened."""
    if seconds < 2 * _MINUTE_SECONDS:
        return _("just now")
    if seconds >= 2 * _DAY_SECONDS:
        return _("{count} days ago").format(count=f"{seconds / _DAY_SECONDS:.0f}")
    return _("{time} ago").format(time=span(seconds))


def span(seconds: float) -> str:
    """A length of time: ``45 min``, ``2 h``, ``12.5 h``."""
    if seconds < 2 * _HOUR_SECONDS:
        return f"{seconds / _MINUTE_SECONDS:.0f} min"
    return f"{seconds / _HOUR_SECONDS:.3g} h"


def length(seconds: float) -> str:
    """The length of a clip, which is unknown if its end was lost."""
    return f"{seconds:.0f} s" if seconds > 0 else _("unknown")


def times(count: int) -> str:
    """``once``, ``twice``, ``12 times``."""
    many = _("{count} times").format(count=count)
    return {1: _("once"), 2: _("twice")}.get(count, many)


def clips(count: int) -> str:
    """``1 clip``, ``3 clips``."""
    return plural("{count} clip", "{count} clips", count)


def legal_orders(count: int) -> str:
    """``a legal order is``, ``3 legal orders are``."""
    return ngettext("a legal order is", "{count} legal orders are", count).format(count=count)


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
        measure = _("{size:.3f} square miles").format(size=area.square_miles(polygon))
    except RequestRefused as error:
        measure = _("of no size ({why})").format(why=error.message)
    return _("{measure} around {latitude:.4f}, {longitude:.4f}").format(
        measure=measure, latitude=latitude, longitude=longitude
    )
