"""Text comparison that ignores spelling: case, accents, wide and invisible characters, plurals.

A requester chooses its own spelling, so texts are compared as folded words, and a topic matches
any word that begins with it. A false match costs a request its answer. Look-alike letters of
other scripts and synonyms are left to the owner, who reads the whole request.
"""

from __future__ import annotations

import re
import unicodedata

# Default_Ignorable_Code_Point, shown as nothing: DerivedCoreProperties.txt of the Unicode
# Character Database (UAX #44), the same in versions 14 to 17. Some of its ranges are not
# assigned yet, so the category does not tell.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ON_ANOTHER = ("Cf", "Mn", "Me")  # format characters, accents, enclosing marks
_WORD = re.compile(r"[^\W_]+")

_MIN_BEGINNING = 4  # letters: a shorter topic must match the whole word
# Words that begin like a topic and mean something else.
_UNRELATED = frozenset({"protestant", "protestants", "protestantism"})


def seen(text: str) -> str:
    """``text`` in NFKD, without characters that are invisible or only modify another one."""
    plain = _IGNORABLE.sub("", unicodedata.normalize("NFKD", text))
    return "".join(
        character for character in plain if unicodedata.category(character) not in _ON_ANOTHER
    )


def is_blank(text: str) -> bool:
    """True if ``text`` has no visible letter or digit."""
    return not any(character.isalnum() for character in seen(text))


def speaks_of(text: str, topic: str) -> bool:
    """True if successive words in ``text`` begin like those of ``topic``.

    ``protest march`` and ``Protesters`` match ``protest``, ``protestant church`` does not.
    """
    found, wanted = _words(text), _words(topic)
    places = range(len(found) - len(wanted) + 1) if wanted else ()
    return any(all(map(_begins, found[place:], wanted)) for place in places)


def _begins(word: str, beginning: str) -> bool:
    is_long = len(beginning) >= _MIN_BEGINNING
    longer = is_long and word.startswith(beginning) and word not in _UNRELATED
    return longer or word == beginning


def _words(text: str) -> list[str]:
    """The words of ``text``, folded."""
    return _WORD.findall(seen(text).casefold())
