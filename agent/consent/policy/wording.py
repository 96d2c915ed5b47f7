"""What a text says to the eye, and whether it speaks of something: spelling aside.

A requester is free in its spelling: case, accents, wide letters, characters that nobody
sees, plurals. So texts are compared as words, folded, and a word that is looked for need
only be the beginning of one that stands there. What this refuses too much costs a request
its answer. Look-alike letters of other scripts, and other words for the same, are left
to the owner, who reads the request in full.
"""

from __future__ import annotations

import re
import unicodedata

# Default_Ignorable_Code_Point, which fonts show as nothing at all: DerivedCoreProperties.txt
# of the Unicode Character Database (UAX #44), the same in versions 14 to 17. Whole ranges of
# it are not assigned yet, so that no category tells.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_ON_ANOTHER = ("Cf", "Mn", "Me")  # format characters, accents, what encloses a letter
_WORD = re.compile(r"[^\W_]+")

_MIN_BEGINNING = 4  # letters: a shorter word must stand there as it is
# Words that begin like another and mean nothing like it.
_UNRELATED = frozenset({"protestant", "protestants", "protestantism"})


def seen(text: str) -> str:
    """``text`` without what nobody sees, or sees only on another character.

    Compatibility forms such as wide letters are folded (Unicode NFKD).
    """
    plain = _IGNORABLE.sub("", unicodedata.normalize("NFKD", text))
    return "".join(
        character for character in plain if unicodedata.category(character) not in _ON_ANOTHER
    )


def is_blank(text: str) -> bool:
    """Whether ``text`` says nothing: no letter and no digit in it that anybody could see."""
    return not any(character.isalnum() for character in seen(text))


def speaks_of(text: str, topic: str) -> bool:
    """Whether words in ``text``, one after the other, begin like those of ``topic``.

    ``protest march`` and ``Protesters`` speak of ``protest``, ``protestant church`` does not.
    """
    found, wanted = _words(text), _words(topic)
    places = range(len(found) - len(wanted) + 1) if wanted else ()
    return any(all(map(_begins, found[place:], wanted)) for place in places)


def _begins(word: str, beginning: str) -> bool:
    if word == beginning:
        return True
    is_long = len(beginning) >= _MIN_BEGINNING
    return is_long and word.startswith(beginning) and word not in _UNRELATED


def _words(text: str) -> list[str]:
    """The words of ``text`` in one spelling for case, spaces, marks and accents."""
    return _WORD.findall(seen(text).casefold())
