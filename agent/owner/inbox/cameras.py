"""Judgement of a camera's last status: does it tell of now, and what is wrong by its own word.

A device writes a status at each change and at least every hour. A status that is older,
or none, proves nothing about now, whatever lies at the broker beside it: a broker, its rules
or a renamed camera can hold letters back. Only signed words count here; the broker's
word that a camera is offline, or that it sent anything, only explains a silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.consent.cards import OwnerCard
from agent.consent.statements import FRESH_SECONDS, LEGAL_ORDER, Status
from agent.owner.inbox.inbox import Inbox
from agent.owner.inbox.items import CameraReport, Pause, Presence
from agent.owner.wording import clocks, text

_CLOCK_SECONDS: Final = 300.0
_LEFT: Final = (
    "by its own word you are an owner no more. It shows you no requests, and seals no clips to you"
    " once the camera was restarted"
)
_AT_WORK = ("armed", "recording", "disarmed")


def report(
    device: str,
    inbox: Inbox,
    presence: Presence | None,
    card: OwnerCard,
    pause: Pause | None,
    *,
    now: float,
) -> CameraReport:
    """The report of an enrolled camera, for the owner of ``card``."""
    status = inbox.status(device)
    if status is not None and card.fingerprint not in {one.fingerprint for one in status.owners}:
        return CameraReport(device, status, _LEFT)
    silence = _silence(status, presence or Presence(), inbox.closed_to_us[device], now)
    remarks = () if status is None else tuple(_remarks(status, inbox, card, fresh=not silence))
    return CameraReport(device, status, silence, remarks, pause)


def _silence(status: Status | None, presence: Presence, closed: int, now: float) -> str:
    """The reason why the last status does not tell of now; empty if it does."""
    age = None if status is None else now - status.iat
    if age is not None and age < -_CLOCK_SECONDS:
        return f"its status is from the future: {clocks.difference(age)}; compare the clocks"
    if presence.offline:
        return "it is offline"
    if age is not None and age <= FRESH_SECONDS:
        return ""
    if closed:
        return (
            "its messages are sealed to other keys than yours. Is your present card among "
            "`owners:` in its agent.yaml, and was it restarted since?"
        )
    if not presence.heard:
        return (
            "this broker holds nothing of it. Does it use this broker, under this name, and do "
            "the broker's rules let it write and you read? `clip-agent check` on the camera tells"
        )
    if status is None:
        return "it has sent no status that its enrolled key has signed"
    return (
        "no newer status came. Is it powered, on the network, does `clip-agent check` pass, and "
        "is this computer's clock right?"
    )


def _remarks(status: Status, inbox: Inbox, card: OwnerCard, *, fresh: bool) -> Iterator[str]:
    camera, open_digests = status.camera, {item.digest for item in inbox.requests()}
    if camera.state not in _AT_WORK:
        why = f": {camera.detail}" if camera.detail else ""
        since = f", since {text.moment(camera.at)}" if camera.at else ""
        yield f"it does not record: {camera.state}{why}{since}"
    if not status.arming.armed and not status.arming.is_free:
        yield f"recording is {text.arming(status)}"
    if not status.clock_synced:
        yield "its clock is not set, so requests and your answers wait"
    orders = sum(1 for one in status.open if one.kind == LEGAL_ORDER)
    if status.pause is not None and orders:
        yield f"{text.legal_orders(orders)} open while requests are paused"
    missing = [one for one in status.open if one.request not in open_digests]
    if fresh and status.pause is None and missing:
        kinds = ", ".join(sorted({one.kind.replace("-", " ") for one in missing}))
        yield f"{len(missing)} open ({kinds}) of which no message has come through the broker"
    yield from status.warnings
    if status.held:
        yield f"{len(status.held)} approved, but held: {status.held[0].why}"
    yield from _seals(status, card)


def _seals(status: Status, card: OwnerCard) -> Iterator[str]:
    """Differences between the keys that clips are sealed to, and the owners' keys."""
    sealed = set(status.seals_to)
    if not sealed:
        return  # no camera has run
    if card.seal not in sealed:
        yield (
            "it still seals clips without your key: you cannot open what it records. Restart "
            "the camera"
        )
    elif card.recovery not in sealed:
        yield "it still seals clips to another recovery key of yours. Restart the camera"
    elif status.should_seal_to and sealed - set(status.should_seal_to):
        yield (
            "it still seals clips to somebody who is not among its owners "
            f"({text.names(status.owners)}). Restart the camera"
        )
    elif set(status.should_seal_to) - sealed:
        yield (
            "it does not seal clips to each of its owners "
            f"({text.names(status.owners)}) yet. Restart the camera"
        )
