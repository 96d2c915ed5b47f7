"""Sentences about a camera, by its own last word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.consent.cards import OwnerCard
from agent.consent.statements import LEGAL_ORDER, PartHealth, Status
from agent.owner.inbox.items import CameraReport, Overview
from agent.owner.wording import text
from agent.owner.wording.words import _, ngettext, plural


@dataclass(frozen=True)
class Row:
    """A fact about a camera; a serious one is not as its owner expects."""

    label: str
    value: str
    is_serious: bool = False


def rows(camera: CameraReport, said: Status) -> Iterator[Row]:
    """All facts of a status."""
    yield Row(_("Camera"), health(said.camera))
    yield Row(_("Gateway"), health(said.gateway))
    yield Row(_("Open"), _open(said))
    if (pause := camera.pause) is not None:
        since = _("since {when}").format(when=text.moment(pause.at))
        by = " " + _("by {who}").format(who=pause.by) if pause.by else ""
        sure = "" if pause.confirmed else ", " + _("not confirmed yet")
        yield Row(_("Paused"), f"{since}{by}{sure}")
    if said.muted:
        yield Row(_("Muted"), "\n".join(text.short_fingerprint(one) for one in said.muted))
    if arming := text.arming(said):
        expected = said.arming.armed or said.arming.is_free
        yield Row(_("Recording"), arming, is_serious=not expected)
    for one in said.held:
        yield Row(_("Held"), f"{one.release[:8]}: {one.why}")
    yield Row(_("Clips"), _space(said))
    clock = _("set") if said.clock_synced else _("not set")
    yield Row(_("Clock"), clock, is_serious=not said.clock_synced)
    if said.recorded is not None:
        share = _("{share:.1%} of the last 24 hours").format(share=said.recorded)
        yield Row(_("Recorded"), share)
    needed = "; " + _("two of them must agree") if said.approvals_needed > 1 else ""
    yield Row(_("Owners"), ", ".join(one.name for one in said.owners) + needed)


def health(part: PartHealth) -> str:
    """The state of one process of the device."""
    detail = f": {part.detail}" if part.detail else ""
    since = _("since {when}; version {version}")
    return f"{part.state}{detail}, {since.format(when=text.moment(part.at), version=part.version)}"


def _open(said: Status) -> str:
    orders = sum(1 for one in said.open if one.kind == LEGAL_ORDER)
    count = len(said.open) + said.more_open
    legal = ", " + _("{count} of them legal orders").format(count=orders) if orders else ""
    requests = plural("{count} request", "{count} requests", count)
    return f"{requests}{legal}" if count else _("no request")


def _space(said: Status) -> str:
    space = said.space
    kept = ", " + _("{count} of them kept").format(count=space.kept) if space.kept else ""
    free = _("{size} free").format(size=text.size(space.free_bytes))
    return f"{space.clips}{kept}, {text.size(space.clip_bytes)}, {free}"


def sealed_to(said: Status, card: OwnerCard) -> list[str]:
    """Whose keys open what the running camera records, as far as this owner can tell."""
    sealed = set(said.seals_to)
    mine = [
        *([_("your key")] if card.seal in sealed else []),
        *([_("your recovery sheet")] if card.recovery in sealed else []),
    ]
    others = len(sealed & set(said.should_seal_to) - {card.seal, card.recovery})
    strangers = len(sealed - set(said.should_seal_to) - {card.seal, card.recovery})
    if others:
        mine.append(plural("{count} key of other owners", "{count} keys of other owners", others))
    if strangers and said.should_seal_to:
        mine.append(plural("{count} key of nobody here", "{count} keys of nobody here", strangers))
    return mine


def paused(camera: CameraReport, now: float) -> tuple[str, str] | None:
    """Two sentences about a pause of requests, if there is one."""
    pause = camera.pause
    if pause is None:
        return None
    by = " " + _("by {who}").format(who=pause.by) if pause.by else ""
    if not pause.confirmed:
        said = _("{camera}: asked to pause requests since {when}{by}")
        more = _("({ago}). It has not confirmed that yet.")
    else:
        said = _("{camera}: requests paused since {when}{by}")
        more = _(
            "({ago}). Recording goes on. Requests are not shown, legal orders and alerts "
            "included, and may run out meanwhile."
        )
    when, ago = text.moment(pause.at), text.ago(now - pause.at)
    return said.format(camera=camera.device, when=when, by=by), more.format(ago=ago)


def troubles(overview: Overview) -> Iterator[str]:
    """A sentence for each camera that is silent, and for each of its faults by its own word."""
    for away in overview.away.values():
        wait = _("Its messages, and yours to it, wait until it is back.")
        yield f"{text.away(away)}. {wait}"
    for camera in overview.cameras:
        if camera.silence and camera.device not in overview.away:
            yield f"{text.unheard(camera)}. {_('It may hold open requests.')}"
        yield from (f"{camera.device}: {remark}." for remark in camera.remarks)


def says_nothing_is_open(camera: CameraReport) -> bool:
    """True if a camera has said, lately, that nobody asks for anything."""
    status = camera.status
    return status is not None and not (camera.silence or camera.pause or status.open)


def matching(counts: dict[str, int]) -> str:
    """Matching clips, by camera: ``3 clips of front-door, 1 clip of garden``."""
    said = (
        ngettext("{count} clip of {camera}", "{count} clips of {camera}", count).format(
            count=count, camera=camera
        )
        for camera, count in counts.items()
    )
    return ", ".join(said)
