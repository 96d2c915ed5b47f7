"""Sentences in the reader's language, for both faces of the owner's client.

>>> _("Nothing waits for you.")
'Nothing waits for you.'

A face chooses the catalogue for the thread or task that it serves; without one it is English.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SOURCE = gettext.NullTranslations()
_CATALOGUE: ContextVar[gettext.NullTranslations] = ContextVar("catalogue", default=_SOURCE)


def _(sentence: str) -> str:
    """The sentence in the reader's language."""
    return _CATALOGUE.get().gettext(sentence)


def ngettext(one: str, many: str, count: int) -> str:
    """The form for ``count``."""
    return _CATALOGUE.get().ngettext(one, many, count)


def plural(one: str, many: str, count: int) -> str:
    """The form for ``count``, with ``{count}`` in it filled in."""
    return ngettext(one, many, count).format(count=f"{count:,}")


@contextmanager
def speaking(catalogue: gettext.NullTranslations) -> Iterator[None]:
    """Use ``catalogue`` for the block."""
    token = _CATALOGUE.set(catalogue)
    try:
        yield
    finally:
        _CATALOGUE.reset(token)
