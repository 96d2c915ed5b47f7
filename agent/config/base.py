"""Common parts of all sections of the configuration."""

from __future__ import annotations

from typing import Any

from msgspec import Meta, Struct


def doc(text: str, **limits: Any) -> Meta:
    """The comment of a key in ``agent.yaml``, and the range of its value."""
    return Meta(description=text, **limits)


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Common to all sections: immutable, no unknown keys."""
