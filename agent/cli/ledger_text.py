"""What stands in the vault, for people: one line each, and what each line of the ledger says.

Values may come from strangers, or from a file that somebody changed: whatever would act
on a terminal or on a page's layout is spelled out instead (:func:`shown`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from agent.vault.records.ledger import Entry

_SENTENCES: dict[str, str] = {
    "request.opened": "{who} asked for clips ({kind}, reference {reference}). The owner's rules "
    "admit the request.",
    "request.refused": "{who} asked for clips ({kind}, reference {reference}). The owner's rules "
    "refused the request: {why} ({rule}). Nobody was told.",
    "request.matched": "{count} of this device were recorded in the time that was asked about.",
    "request.declined": "An owner declined the request{because}. Nobody else was told.",
    "request.expired": "The request ended without an answer to it.",
    "request.withdrawn": "Whoever asked withdrew the request.",
    "requests.paused": "An owner paused requests: from here on none is shown.",
    "requests.resumed": "An owner resumed requests: from here on they are shown again.",
    "requester.muted": "An owner muted a requester: nothing more of it is shown.",
    "requester.unmuted": "An owner wants to hear of a muted requester again.",
    "withdrawal.received": "{who} withdrew a request.",
    "withdrawal.early": "A withdrawal came before its request, which will never be opened.",
    "alert.received": "{who} informed the public: {title}. Nobody can answer that.",
    "alert.refused": "{who} informed the public: {title}. The owner's rules keep it from being "
    "shown: {why} ({rule}).",
    "post.refused": "Something was posted that does not count: {why} ({rule}).",
    "post.dropped": "A post was let go before it could be judged: {why} ({rule}).",
    "post.waiting": "Something was posted that waits and is not judged yet: {why} ({rule}).",
    "posts.flooded": "Too many posts came from {who}. From here on they were counted and no "
    "longer recorded one by one.",
    "posts.flood-over": "The flood of {day} from {who} is over: {counted} posts were only counted.",
    "log.pinned": "From here on the public log {origin} is the one that is believed.",
    "log.forked": "The public log {origin} has signed two different pasts. Nothing in it is "
    "believed any more.",
    "link.refused": "A link of the public log does not hold: {why} ({rule}).",
    "letter.refused": "A letter came that is not one of an owner's: {why} ({rule}).",
    "decision.refused": "What an owner's letter wanted was refused: {why} ({rule}). It changed "
    "nothing.",
    "clip.previewed": "An owner had a clip sent to look at it.",
    "clips.listed": "An owner asked which clips the device holds.",
    "release.proposed": "An owner let {count} go{to}, if another owner agrees.",
    "release.approved": "An owner let {count} go{to}; as many owners as are needed have agreed.",
    "release.sealed": "What an owner let go was prepared and sealed to whom it is for.",
    "release.sent": "What an owner let go was sent to {url}. It cannot be called back.",
    "release.failed": "What an owner let go was not sent{because}.",
    "release.revoked": "What an owner let go was stopped{because}.",
    "release.revoke-asked": "An owner asked to stop a release.",
    "release.revoked-early": "An owner revoked an approval that had not arrived yet.",
}
KNOWN_EVENTS = frozenset(_SENTENCES)


def sentence(entry: Entry) -> str:
    """What a line of the ledger says, in plain words on one line."""
    form = _SENTENCES.get(entry.event)
    if form is None:
        return f"{shown(entry.event)} (what this means is not known to this version)"
    return form.format_map(_Fields(entry.detail))


class _Fields(dict[str, str]):
    """The values that a sentence asks for, from a line's detail; a dash for what is not there."""

    def __init__(self, detail: Mapping[str, Any]) -> None:
        super().__init__()
        self._detail = detail

    def __missing__(self, name: str) -> str:
        made: dict[str, Callable[[], str]] = {
            "who": self._who,
            "count": self._count,
            "to": self._to,
            "because": self._because,
        }
        return made[name]() if name in made else self._shown(name)

    def _shown(self, name: str) -> str:
        value = self._detail.get(name)
        return "-" if value in (None, "") else shown(value)

    def _who(self) -> str:
        if "name" in self._detail:
            return self._shown("name")
        return self._shown("requester") if "requester" in self._detail else "unknown senders"

    def _count(self) -> str:
        clips = self._detail.get("clips")
        more = self._detail.get("more")
        number = (len(clips) if isinstance(clips, list) else 0) + (
            more if isinstance(more, int) else 0
        )
        return "1 clip" if number == 1 else f"{number} clips"

    def _to(self) -> str:
        if "recipient" in self._detail:
            return f" to {self._shown('recipient')}, who had not asked"
        return " to whoever asked" if "request" in self._detail else ""

    def _because(self) -> str:
        return f": {self._shown('why')}" if "why" in self._detail else ""


def shown(value: object) -> str:
    """``value`` on one line, with nothing in it that acts on a terminal."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def local(seconds: float) -> str:
    """A time in this device's zone."""
    return _moment(seconds, None)


def utc(seconds: float) -> str:
    """A time in UTC."""
    return _moment(seconds, UTC)


def _moment(seconds: float, zone: tzinfo | None) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, tz=UTC).astimezone(zone)
    except (OverflowError, ValueError):  # nobody's clock said so: somebody changed the file
        return f"{seconds} (no time)"
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")
