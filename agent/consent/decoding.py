"""Strict decoding: bytes become a whole statement, or are refused by the name of a rule.

- ``too-large``            more bytes than the type allows
- ``not-utf-8``            bytes that are not UTF-8
- ``not-json``             not one JSON value (RFC 8259), or nested too deeply
- ``duplicate-key``        an object that names a key twice
- ``not-finite``           NaN or an infinity, which JSON does not have
- ``control-character``    a control, surrogate, line-separator or text-direction character
- ``wrong-shape``          an unknown, missing or ill-typed field, or one out of range

:mod:`agent.consent.statements` defines the fields, :mod:`agent.consent.signing` checks signatures.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from agent.consent.statements import Part
from agent.errors import MalformedStatement

S = TypeVar("S", bound=Part)

# Characters that change how a text is shown: all controls except the line feed (category Cc),
# surrogates (Cs), line separators (Zl, Zp), and the direction controls of UAX #9.
_ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_MAX_REASON = 200  # characters kept of a decoder's message, which may quote the sender


def encode(statement: Part) -> bytes:
    """``statement`` as JSON, fields in the order of their declaration."""
    try:
        return msgspec.json.encode(statement)
    except UnicodeEncodeError as error:  # a lone surrogate, from undecodable arguments
        raise MalformedStatement("not-utf-8", "a text is not valid Unicode") from error


def decode(payload: bytes, kind: type[S], max_bytes: int) -> S:
    """``payload`` as a ``kind``; :class:`MalformedStatement` names the rule it breaks."""
    plain = strict_json(payload, max_bytes)
    try:
        return msgspec.convert(plain, kind, strict=True)
    except msgspec.ValidationError as error:
        said = str(error).replace("\n", "\\n")  # it quotes field names, and may be logged
        raise MalformedStatement("wrong-shape", said[:_MAX_REASON]) from error


def strict_json(payload: bytes, max_bytes: int) -> Any:
    """The JSON value in ``payload``, checked by every rule that needs no type."""
    if len(payload) > max_bytes:
        raise MalformedStatement("too-large", f"{len(payload)} bytes, at most {max_bytes}")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedStatement("not-utf-8", f"byte {error.start} is not UTF-8") from error
    try:
        plain = json.loads(
            text,
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_not_finite,
            parse_float=_finite_float,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedStatement("not-json", str(error)) from error
    if not _is_plain(payload):
        _check_strings(plain)
    return plain


def _is_plain(payload: bytes) -> bool:
    """True if no string of this JSON text, which was parsed, can hold an acting character.

    JSON itself forbids C0 controls in strings, unless they are escaped. This is far quicker than a
    search in each string.
    """
    return payload.isascii() and b"\\" not in payload and b"\x7f" not in payload


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in pairs:  # one pass: a letter has room for tens of thousands of keys
        if key in plain:
            raise MalformedStatement("duplicate-key", f"the key {key[:64]!r} is given twice")
        plain[key] = value
    return plain


def _finite_float(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _not_finite(digits[:32])


def _not_finite(constant: str) -> NoReturn:
    raise MalformedStatement("not-finite", f"{constant} is not a finite number")


def _check_strings(plain: Any) -> None:
    """Refuse characters that would control a terminal or make a text read backwards."""
    pending = [plain]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and (found := acting_character(value)):
            raise MalformedStatement("control-character", f"{found} is not allowed in a text")


def acting_character(text: str) -> str | None:
    """The first character of ``text`` that is not allowed, as ``U+XXXX``."""
    match = _ACTING.search(text)
    return f"U+{ord(match[0]):04X}" if match else None
