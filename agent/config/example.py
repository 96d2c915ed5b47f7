"""Prints the commented ``config/agent.yaml`` from the structs of :mod:`agent.config`.

Each key has its description and range as a comment, and its default as the value; required keys
have the values of :data:`agent.config.EXAMPLE`. Where several kinds are possible
(``camera.source``), the others follow the default one, commented out. So do sections that are null
by default, once, and an item of a list of sections. A test loads the text and compares it with the
defaults.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct, inspect

from agent import config

_HEAD = """\
# Settings of the camera agent. Copy to /etc/clip-agent/agent.yaml and edit.
#
# Every key is listed with its default; only `device` and `owners` are required.
# Unknown keys are refused. Relative paths start at the folder of this file.
#
# clip-agent config --example      prints this file
# clip-agent config --effective    prints your settings with all defaults filled in
"""

_WIDTH = 88
_INDENT = "  "

# Values for required keys that have no default, where EXAMPLE does not hold their section.
_OTHER_KINDS: dict[type[Struct], Struct] = {
    config.StreamSource: config.StreamSource(record="rtsp://192.0.2.10/main"),
    config.Period: config.Period(start="22:00", end="06:00"),
}

_BYTE_UNITS = ((10**9, "GB"), (1 << 20, "MiB"), (10**6, "MB"), (1 << 10, "KiB"))
_TIME_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


def example() -> str:
    """The text of ``config/agent.yaml``."""
    return _HEAD + "\n".join(_Printer().struct(config.EXAMPLE, top=True)) + "\n"


class _Printer:
    """Walks the structs, and remembers where it has shown each section."""

    def __init__(self) -> None:
        self._shown: dict[type[Struct], str] = {}

    def struct(self, value: Struct, *, top: bool = False, path: str = "") -> Iterator[str]:
        """The lines of a section's keys, not indented."""
        info = inspect.type_info(type(value))
        assert isinstance(info, inspect.StructType)
        if info.tag_field is not None:
            yield f"{info.tag_field}: {info.tag}"
        for number, field in enumerate(info.fields):
            part = getattr(value, field.name)
            if top or (number and isinstance(part, Struct)):
                yield ""
            here = f"{path}.{field.encode_name}" if path else field.encode_name
            yield from self._field(field, part, here)

    def _field(self, field: inspect.Field, value: Any, path: str) -> Iterator[str]:
        description, kind = _unwrap(field.type)
        yield from _comment(f"{description} {_limits(kind, description)}")
        name = field.encode_name
        if isinstance(value, Struct):
            yield f"{name}:"
            self._shown[type(value)] = path
            yield from _indented(self.struct(value, path=path))
        else:
            yield f"{name}: {_scalar(value)}{_hint(name, value)}"
        for other in _other_kinds(kind, value):
            yield from self._commented_out(name, other, path)
        if isinstance(kind, inspect.VarTupleType) and isinstance(
            kind.item_type, inspect.StructType
        ):
            yield from self._listed(name, kind.item_type.cls, path)

    def _listed(self, name: str, kind: type[Struct], path: str) -> Iterator[str]:
        """A list of one section, behind ``#``."""
        yield from _comment(f"or a list of: {_first_line(kind)}")
        keys = _indented(self.struct(_OTHER_KINDS[kind], path=path))
        yield from (f"#{line}" for line in [f"{name}:", f"{_INDENT}-", *_indented(keys)])

    def _commented_out(self, name: str, kind: type[Struct], path: str) -> Iterator[str]:
        """An alternative to the default, behind ``#``."""
        if kind in self._shown:
            yield f"# or the keys of a section like `{self._shown[kind]}`"
            return
        yield from _comment(f"or: {_first_line(kind)}")
        lines = [f"{name}:", *_indented(self.struct(_OTHER_KINDS.get(kind) or kind(), path=path))]
        yield from (f"#{line}" for line in lines)


def _unwrap(kind: inspect.Type) -> tuple[str, inspect.Type]:
    """A type's description, and the type itself without it."""
    if isinstance(kind, inspect.Metadata):
        return (kind.extra_json_schema or {}).get("description", ""), kind.type
    return "", kind


def _other_kinds(kind: inspect.Type, value: Any) -> Iterator[type[Struct]]:
    """The structs that ``kind`` also admits."""
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            if isinstance(member, inspect.StructType) and member.cls is not type(value):
                yield member.cls


def _first_line(kind: type[Struct]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _limits(kind: inspect.Type, description: str) -> str:
    """The allowed values in words; empty if the description says them."""
    if isinstance(kind, inspect.UnionType):
        return "".join(_limits(_unwrap(member)[1], description) for member in kind.types)
    if isinstance(kind, inspect.LiteralType):
        values = [str(value) for value in kind.values]
        known = all(value in description for value in values)
        return "" if known else f"One of: {', '.join(values)}."
    if not isinstance(kind, inspect.IntType | inspect.FloatType):
        return ""
    if kind.gt is not None:
        return f"Above {kind.gt:,}" + ("." if kind.le is None else f", at most {kind.le:,}.")
    if kind.le is not None:
        return f"{kind.ge:,} to {kind.le:,}."
    return f"At least {kind.ge:,}." if kind.ge is not None and kind.ge > 1 else ""


def _hint(name: str, value: Any) -> str:
    """A large number of bytes or seconds in common units."""
    units = {"bytes": _BYTE_UNITS, "seconds": _TIME_UNITS}.get(name.rpartition("_")[2], ())
    for size, unit in units:
        if value and value >= size and value % size == 0:
            return f"  # {value // size:g} {unit if value > size else unit.removesuffix('s')}"
    return ""


def _scalar(value: Any) -> str:
    """``value`` on one line of YAML."""
    plain = msgspec.to_builtins(value, enc_hook=str)
    if isinstance(value, Path):
        plain = str(value)
    text = yaml.safe_dump(plain, default_flow_style=True, width=1_000)
    return text.strip().removesuffix("...").rstrip()


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text, _WIDTH))


def _indented(lines: Iterator[str]) -> Iterator[str]:
    yield from (f"{_INDENT}{line}" if line else "" for line in lines)
