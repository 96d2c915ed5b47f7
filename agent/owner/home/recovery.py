"""Open clips with the recovery identity that an owner has on paper.

The identity is typed from the sheet, so a mistake is named with its place: it is Bech32
(BIP 173), whose checksum tells which single letter was mistyped, or which two were swapped.
Nothing is corrected silently.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent import files
from agent.errors import ClipDamaged, KeyFileError, StorageFault
from agent.owner.visit.clip_transfer import new_file
from agent.vault.clips import unseal

_PREFIX = "AGE-SECRET-KEY-1"
_LETTERS = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
_COUNT = 58  # 32 bytes, five bits a letter, and six letters of checksum
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_SUFFIX = ".mp4.age"


def parse_paper(text: str) -> str:
    """The recovery identity in what was typed; KeyFileError names the place of a mistake.

    Case, spaces and hyphens are free, also lines that begin with ``#`` and line breaks.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    typed = re.sub(r"[\s-]", "", "".join(lines)).upper()
    start = _PREFIX.replace("-", "")
    if not typed.startswith(start):
        raise KeyFileError(
            f"there is no recovery key: it begins with {_PREFIX}",
            advice="Type the last line of the recovery sheet",
        )
    letters = typed.removeprefix(start)
    for place, letter in enumerate(letters, 1):
        if letter not in _LETTERS:
            raise _mistyped(place, letters, "which is never used in a key")
    if len(letters) != _COUNT:
        raise KeyFileError(
            f"the recovery key has {len(letters)} letters after {_PREFIX}, and must have {_COUNT}",
            advice="Compare it with the paper: a letter is missing, or there twice",
        )
    if not _is_whole(letters):
        raise _mistake(letters)
    return _PREFIX + letters


def _is_whole(letters: str) -> bool:
    """Tell if the checksum agrees."""
    prefix = _PREFIX[:-1].lower()
    values = [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]
    check = 1
    for value in (*values, *map(_LETTERS.index, letters)):
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(_GENERATOR):
            check ^= factor if top >> bit & 1 else 0
    return check == 1


def _mistake(letters: str) -> KeyFileError:
    """Find the one letter, or the two neighbours, whose change makes the key whole."""
    for at in range(_COUNT):
        before, after = letters[:at], letters[at + 1 :]
        if any(_is_whole(before + other + after) for other in _LETTERS):
            return _mistyped(at + 1, letters, "which is wrong")
        if _is_whole(before + letters[at : at + 2][::-1] + letters[at + 2 :]):
            return _mistyped(at + 1, letters, "and it and the next one are swapped")
    return KeyFileError(
        "the recovery key is mistyped in several places",
        advice="Compare each letter with the paper",
    )


def _mistyped(place: int, letters: str, problem: str) -> KeyFileError:
    around = letters[max(0, place - 5) : place + 4]
    return KeyFileError(
        f"letter {place} after {_PREFIX} is {letters[place - 1]!r}, {problem} (in {around!r})",
        advice="Compare it with the paper",
    )


def find_clips(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each sealed clip in files and folders, and where its video goes below an output folder."""
    for path in paths:
        if path.is_dir():
            for clip in sorted(path.rglob(f"*{_SUFFIX}")):
                inside = clip.relative_to(path)
                yield clip, inside.with_name(inside.name.removesuffix(".age"))
        elif path.is_file():
            name = path.name.removesuffix(".age").removesuffix(".mp4")
            yield path, Path(f"{name}.mp4")
        else:
            raise StorageFault(f"{path}: there is no such file or folder")


def open_clip(clip: Path, identity: str, target: Path) -> bool:
    """Write the plain video of a sealed clip; False if the clip was cut off and ends early.

    Raises :class:`ClipDamaged`, also for a clip that is sealed to other keys.
    """
    try:
        _open(clip, identity, target, truncated=False)
    except ClipDamaged:
        _open(clip, identity, target, truncated=True)
        return False
    return True


def _open(clip: Path, identity: str, target: Path, *, truncated: bool) -> None:
    with (
        files.faults(clip),
        clip.open("rb") as sealed,
        unseal.open_stream(sealed, identity, truncated=truncated) as plain,
        new_file(target) as out,
    ):
        shutil.copyfileobj(plain, out)
