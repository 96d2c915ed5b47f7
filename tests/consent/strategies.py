"""Hypothesis strategies for every statement, built from the structs themselves.

Each field's limits are read from its annotation, so a new field or type is
tested without a word here. Only what a struct checks across its fields
(``__post_init__``) is mended after drawing.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from agent.consent.cards import encode_base64url

# Whatever may stand in a text: see ``control-character`` in agent/consent/statements.py.
ALPHABET = st.characters(
    codec="utf-8",
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),
    exclude_characters="\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
_LONGEST_TEXT, _LONGEST_LIST = 40, 2  # so that a statement stays below its largest size

_BYTES = st.binary(min_size=32, max_size=32)
# The commonest patterns: drawing from a regular expression takes many times as long.
_QUICK = {
    r"\A[A-Za-z0-9_-]{43}\Z": _BYTES.map(encode_base64url),
    r"\A[0-9a-f]{64}\Z": _BYTES.map(bytes.hex),
}


def instances(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Valid instances of a struct."""
    return plain(inspect.type_info(kind)).map(lambda drawn: msgspec.convert(drawn, kind))


def plain(node: Any) -> st.SearchStrategy[Any]:
    """Builtin values that convert to the type ``node`` describes."""
    match node:
        case inspect.StructType():
            return _struct(node)
        case inspect.UnionType(types=types):
            return st.one_of([plain(one) for one in types])
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case inspect.StrType(pattern=pattern, min_length=least, max_length=most):
            if pattern in _QUICK:
                return _QUICK[pattern]
            if pattern is None or pattern == r"\A[^\n]*\Z":
                longest = min(most or _LONGEST_TEXT, _LONGEST_TEXT)
                return st.text(ALPHABET, min_size=least or 0, max_size=longest)
            return st.from_regex(pattern).filter(lambda text: len(text) <= (most or 10_000))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(plain(key), plain(value), max_size=_LONGEST_LIST)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(plain, items))
        case inspect.VarTupleType(item_type=item, min_length=least, max_length=most):
            longest = max(least or 0, min(most or _LONGEST_LIST, _LONGEST_LIST))
            return st.lists(plain(item), min_size=least or 0, max_size=longest)
    raise AssertionError(f"no strategy for {node}")


def _struct(node: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    fields = {one.encode_name: plain(one.type) for one in node.fields}
    if node.tag_field is not None:
        fields[node.tag_field] = st.just(node.tag)
    return st.fixed_dictionaries(fields).map(lambda drawn: _mend(node.cls.__name__, drawn))


def _mend(name: str, drawn: dict[str, Any]) -> Any:
    """``drawn``, changed where two fields of the struct ``name`` must agree."""
    if name == "Window":
        first, last = sorted((drawn["from"], drawn["to"]))
        first = min(first, 253_402_300_798)  # the last moment but one: something comes after it
        return {"from": first, "to": max(last, first + 1)}
    if name == "Trim":
        first, last = sorted((drawn["from_seconds"], drawn["to_seconds"]))
        return {"from_seconds": first / 2, "to_seconds": last + 0.5 if last < 86_000 else last}
    if name == "ReleasedClip":
        first, last = sorted((drawn["first_picture_ms"], drawn["last_picture_ms"]))
        return drawn | {"first_picture_ms": first, "last_picture_ms": last}
    if name == "BoxPosition":
        width, height = (max(drawn[side], 0.01) for side in ("width", "height"))
        x, y = drawn["x"] * (1 - width), drawn["y"] * (1 - height)
        return [drawn["at_seconds"], x, y, width, height]
    if name == "Redaction":
        drawn["positions"] = sorted({one[0]: one for one in drawn["positions"]}.values())
        start, end = drawn["from_seconds"], drawn["to_seconds"]
        if start is not None and end is not None and start >= end:
            drawn["to_seconds"] = None
    if name == "Arm":
        return drawn | {"scheduled": drawn["armed"] and drawn["scheduled"]}
    if name == "Request":
        return drawn | {"kind": "legal-order" if drawn["order"] else "voluntary"}
    if name == "Receipt":
        if drawn["release"] and not drawn["rule"]:
            return drawn | {"verdict": "accepted", "detail": ""}
        return drawn | {"verdict": "rejected", "rule": drawn["rule"] or "not-a-tar"}
    return drawn


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
