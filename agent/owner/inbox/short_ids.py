"""Ids as people type and read them: the first digits, as few as tell one from all others.

Digits that fit nothing, or several things, are refused with what there is to choose from:
a person who mistyped one sees the right one. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from agent.errors import Refused

T = TypeVar("T")

LEAST_DIGITS = 8
_SHOWN = 5
_ABOUT_LENGTH = 40


def short(name: str, names: Collection[str]) -> str:
    """As many digits of ``name``, eight at least, as no other of ``names`` begins with."""
    others = {other for other in names if other != name}
    for count in range(LEAST_DIGITS, len(name)):
        if not any(other.startswith(name[:count]) for other in others):
            return name[:count]
    return name


def pick(
    items: Sequence[T], prefix: str, *, name: Callable[[T], str], about: Callable[[T], str]
) -> T | None:
    """The one of ``items`` whose name starts with ``prefix``, None if there is none.

    Refused as ``ambiguous``, with the candidates, if there are several.
    """
    wanted = prefix.strip().lower()
    found = [item for item in items if wanted and name(item).startswith(wanted)]
    if len(found) > 1:
        raise Refused(
            "ambiguous",
            f"{prefix!r} could be {listed(found, name=name, about=about)}",
            advice="Give more digits",
        )
    return found[0] if found else None


def listed(items: Sequence[T], *, name: Callable[[T], str], about: Callable[[T], str]) -> str:
    """The first of ``items`` in a row, each by its id and what it is about."""
    names = {name(item) for item in items}
    shown = [f"{short(name(item), names)} ({_clipped(about(item))})" for item in items[:_SHOWN]]
    left = len(items) - _SHOWN
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")


def _clipped(text: str) -> str:
    return text if len(text) <= _ABOUT_LENGTH else f"{text[: _ABOUT_LENGTH - 1].rstrip()}…"
