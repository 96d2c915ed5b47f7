"""Redactions as an owner types and reads them.

::

    0.1,0.2,0.3,0.3                             left, top, width, height, as shares of the picture
    2:0.1,0.2,0.1,0.3/6.5:0.5,0.2,0.1,0.3       there at 2 s and at 6.5 s, and on the way between
    2-8@0.1,0.2,0.3,0.3                         only from 2 s to 8 s; 2-@... to the clip's end
    @walker.yaml                                a file: the same for many positions

Times are seconds from the start of the recorded clip, also with a trim. A box stays at its first
position before it and at its last one after it. A file lists redactions in the form that is signed,
:class:`agent.consent.statements.Redaction`::

    - positions: [[2, 0.1, 0.2, 0.1, 0.3], [6.5, 0.5, 0.2, 0.1, 0.3]]
      from_seconds: 2
      to_seconds: 8
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from agent.consent.statements import BoxPosition, Redaction, Redactions
from agent.errors import ConfigError
from agent.owner.wording.words import _

_FORMS = (
    "must be X,Y,W,H (shares of the picture), or SECONDS:X,Y,W,H/SECONDS:X,Y,W,H/... for a box"
    " that moves, either perhaps after FROM-TO@, or @FILE"
)
_LISTED = 8  # positions of one box that are listed


def parse(text: str) -> Redactions:
    """Parse the text after ``CLIP=``; raises :class:`ValueError` with a sentence for the owner."""
    if text.startswith("@"):
        return _read(Path(text[1:]).expanduser())
    limits, _sign, path = text.rpartition("@")
    start, end = _limits(limits) if limits else (None, None)
    positions = [_position(part, alone="/" not in path) for part in path.split("/")]
    plain = {"positions": positions, "from_seconds": start, "to_seconds": end}
    return (msgspec.convert(plain, Redaction),)


def typed(redaction: Redaction) -> str:
    """The text from which :func:`parse` makes ``redaction``."""
    start, end = redaction.from_seconds, redaction.to_seconds
    limits = "" if start is end is None else f"{exact(start)}-{exact(end)}@"
    positions = redaction.positions
    if len(positions) == 1 and positions[0].at_seconds == 0:
        return limits + _box(positions[0])
    return limits + "/".join(f"{exact(one.at_seconds)}:{_box(one)}" for one in positions)


def as_file(redactions: Iterable[Redaction]) -> str:
    """The file from which ``@FILE`` reads ``redactions``: YAML, a line each for the positions."""
    return "".join(_entry(one) for one in redactions)


def _entry(redaction: Redaction) -> str:
    positions = ", ".join(f"[{exact(one.at_seconds)}, {_box(one)}]" for one in redaction.positions)
    limits = {"from_seconds": redaction.from_seconds, "to_seconds": redaction.to_seconds}
    lines = [f"- positions: [{positions}]"]
    lines += [f"  {name}: {exact(value)}" for name, value in limits.items() if value is not None]
    return "\n".join(lines) + "\n"


def lines(redactions: Iterable[Redaction]) -> list[str]:
    """Redactions in words, a line each for a still box, a line a position for a moving one."""
    return [line for redaction in redactions for line in _lines(redaction)]


def _lines(redaction: Redaction) -> Iterator[str]:
    when, positions = _when(redaction), redaction.positions
    if len(positions) == 1:
        place = _place(positions[0])
        yield _("redacted: {place}, covered with grey{when}").format(place=place, when=when)
        return
    yield _("redacted: a box that moves, covered with grey{when}").format(when=when)
    listed = positions if len(positions) <= _LISTED else positions[: _LISTED - 1]
    for position in listed:
        yield _at(position)
    if listed is not positions:
        between, last = len(positions) - _LISTED, positions[-1]
        yield _("  ... {count} more positions ...").format(count=between)
        yield _at(last)


def _at(position: BoxPosition) -> str:
    seconds = f"{position.at_seconds:g}"
    return _("  at {seconds} s: {place}").format(seconds=seconds, place=_place(position))


def _when(redaction: Redaction) -> str:
    start, end = redaction.from_seconds, redaction.to_seconds
    begins = "" if start is None else _(" from {seconds} s").format(seconds=f"{start:g}")
    ends = "" if end is None else _(" to {seconds} s").format(seconds=f"{end:g}")
    return begins + ends


def _place(box: BoxPosition) -> str:
    return _("{width} x {height} of the picture, {x} from the left, {y} from the top").format(
        width=f"{box.width:.0%}", height=f"{box.height:.0%}", x=f"{box.x:.0%}", y=f"{box.y:.0%}"
    )


def _read(path: Path) -> Redactions:
    from agent.config.yamlfile import parse_yaml, read_text  # YAML starts slowly

    try:
        found = parse_yaml(read_text(path), Redactions, str(path))
    except ConfigError as error:
        raise ValueError(str(error)) from error
    if not found:
        raise ValueError(f"{path}: lists no redaction")
    return found


def _limits(text: str) -> tuple[float | None, float | None]:
    start, dash, end = text.partition("-")
    if not dash or not start + end:
        raise ValueError(_FORMS)
    return _number(start) if start else None, _number(end) if end else None


def _position(text: str, *, alone: bool) -> list[float]:
    time, colon, box = text.rpartition(":")
    numbers = box.split(",")
    if len(numbers) != 4 or not (colon or alone):
        raise ValueError(_FORMS)
    return [_number(time) if colon else 0.0, *map(_number, numbers)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number; {_FORMS}") from error


def exact(number: float | None) -> str:
    """A number with all its digits and no exponent; empty for None."""
    return "" if number is None else f"{Decimal(repr(float(number))).normalize():f}"


def _box(box: BoxPosition) -> str:
    return ",".join(map(exact, (box.x, box.y, box.width, box.height)))
