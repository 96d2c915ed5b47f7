"""The languages of the pages: gettext catalogues in ``locale/``, English being the source."""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

import polib

_CATALOGUES = Path(__file__).with_name("locale")
NAMES = {"en": "English", "es": "Español"}


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations of a language of ``NAMES``; sentences without one stay English."""
    path = _CATALOGUES / f"{language}.po"
    if language not in NAMES or not path.exists():
        return gettext.NullTranslations()
    return gettext.GNUTranslations(io.BytesIO(polib.pofile(str(path)).to_binary()))


def preferred(accept: str) -> str:
    """The language of ``NAMES`` that a browser's ``Accept-Language`` (RFC 9110) likes best."""
    wanted = []
    for place, part in enumerate(accept.split(",")):
        name, _, quality = part.partition(";")
        weight = quality.strip().removeprefix("q=") or "1"
        try:
            wanted.append((-float(weight), place, name.strip().lower()[:2]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wanted) if name in NAMES), "en")
