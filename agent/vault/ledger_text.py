"""Text for people: times, values and the meaning of each line of the ledger.

Values may come from strangers or from a forged file. :func:`shown` spells out any character
that would act on a terminal or change a page's layout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from agent.vault.records.events import Event
from agent.vault.records.ledger import Entry

_TIMES = ("from", "to")  # of CLIPS_LISTED, in Unix seconds


def sentence(entry: Entry, translated: Callable[[str], str] = str) -> str:
    """The meaning of a line of the ledger, in plain words on one line."""
    event = Event.named(entry.event)
    if event is None:
        return f"{shown(entry.event)} (what this means is not known to this version)"
    return translated(event.value).format_map(_Fields(entry.detail))


class _Fields(dict[str, str]):
    """The values in a sentence, from a line's detail; a dash for one that is missing."""

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
        clips, more = self._detail.get("clips"), self._detail.get("more")
        number = len(clips) if isinstance(clips, list) else clips if isinstance(clips, int) else 0
        number += more if isinstance(more, int) else 0
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


def detail(name: str, value: object) -> str:
    """A value of a line's detail; a time as a date."""
    if name in _TIMES and isinstance(value, int | float):
        return local(value)
    return shown(value)


def local(seconds: float) -> str:
    """A time in this device's zone."""
    return _moment(seconds, None)


def utc(seconds: float) -> str:
    """A time in UTC."""
    return _moment(seconds, UTC)


def _moment(seconds: float, zone: tzinfo | None) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, tz=UTC).astimezone(zone)
    except (OverflowError, ValueError):  # no clock gave this: the file was changed
        return f"{seconds} (no time)"
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")
