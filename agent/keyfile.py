"""Key files: the private keys of a person, protected by a passphrase.

The file is age with a passphrase (scrypt; age-encryption.org/v1) around a text
that is itself an age identity file::

    # clip-agent owner keys, made 2024-01-24. The whole file is secret.
    # clip-agent owner signing key: <32 bytes, base64url>
    # public key: age1...
    AGE-SECRET-KEY-1...

age skips the comment lines and asks for the passphrase itself, so stock
``age -d -i owner.age clip.mp4.age`` opens a clip without our software. Unlocking takes
about a second and 512 MiB on a desktop, by age's design, so a command unlocks once.
Devices, which start unattended, have :mod:`agent.gateway.device_keys`.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pyrage

from agent import config, files
from agent.consent import letters
from agent.consent.signing import SigningKey
from agent.errors import KeyFileError, WrongPassphrase

Role = Literal["owner", "requester"]

MIN_PASSPHRASE_CHARACTERS = 8
PASSPHRASE_VARIABLE = "CLIP_AGENT_PASSPHRASE"  # noqa: S105 - names the variable, holds no secret
NEW_PASSPHRASE_VARIABLE = f"{PASSPHRASE_VARIABLE}_NEW"  # one prefix: no player inherits either
_FILE_OPTIONS = {
    PASSPHRASE_VARIABLE: "--passphrase-file",
    NEW_PASSPHRASE_VARIABLE: "--new-passphrase-file",
}
_EXCESSIVE_WORK = "Excessive work"  # age's words: it would take 16 times as long as usual here
_MAX_FILE_BYTES = 65_536
_ATTEMPTS = 8
_PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Keys:
    """A signing key, and an age identity as text. ``repr`` shows neither."""

    signing: SigningKey = field(repr=False)
    identity: str = field(repr=False)

    @classmethod
    def generate(cls) -> Keys:
        """New keys from the system's random source."""
        return cls(SigningKey.generate(), str(pyrage.x25519.Identity.generate()))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the signing key."""
        return self.signing.public.fingerprint

    @property
    def recipient(self) -> str:
        """The age recipient (``age1...``)."""
        return str(letters.parse_identity(self.identity).to_public())


def format_keys(keys: Keys, role: Role, *, now: float) -> str:
    """The text inside a key file, as secret as the keys."""
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    return (
        f"# clip-agent {role} keys, made {day}. The whole file is secret.\n"
        f"# clip-agent {role} signing key: {keys.signing.to_text()}\n"
        f"# public key: {keys.recipient}\n"
        f"{keys.identity}\n"
    )


def parse_keys(text: str, role: Role) -> Keys:
    """Parse the text of :func:`format_keys`; :class:`KeyFileError` for any other."""
    signing = re.findall(rf"^# clip-agent {role} signing key: (\S+)$", text, re.MULTILINE)
    identities = [line for line in text.splitlines() if line and not line.startswith("#")]
    if len(signing) != 1 or len(identities) != 1:
        raise KeyFileError(f"this is not the key file of a clip-agent {role}")
    letters.parse_identity(identities[0])
    return Keys(SigningKey.from_text(signing[0]), identities[0])


def lock(keys: Keys, role: Role, passphrase: str, *, now: float) -> bytes:
    """The bytes of a key file for ``keys`` that ``passphrase`` opens, in its NFC form."""
    check_length(passphrase)
    text = format_keys(keys, role, now=now)
    composed = unicodedata.normalize("NFC", passphrase)
    locked: bytes = pyrage.passphrase.encrypt(text.encode(), composed)
    return locked


def require(path: Path, role: Role) -> None:
    """Raise :class:`KeyFileError`, with advice, unless there is a file at ``path``."""
    if not path.exists():
        raise KeyFileError(f"{path}: there are no keys here", advice=_make_keys(role))


def _make_keys(role: Role) -> str:
    return f"Make the keys with `clip-agent {role} init`, or name their folder by --home"


def unlock(path: Path, role: Role, passphrase: str) -> Keys:
    """The keys in the file ``path``. Raises :class:`KeyFileError`."""
    try:
        with path.open("rb") as file:
            locked = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(
            f"{path}: cannot be read ({error.strerror})", advice=_make_keys(role)
        ) from error
    if len(locked) > _MAX_FILE_BYTES or not locked.startswith(b"age-encryption.org/v1\n"):
        raise KeyFileError(f"{path}: is not a key file")
    # An "ü" typed on another system may be one character or two. The form given comes first.
    composed = unicodedata.normalize("NFC", passphrase)
    for form in dict.fromkeys((passphrase, composed, unicodedata.normalize("NFD", passphrase))):
        try:
            return parse_keys(decrypt(locked, form).decode(), role)
        except pyrage.DecryptError as error:
            if _EXCESSIVE_WORK in str(error):
                raise KeyFileError(
                    f"{path}: this computer is too slow, or too busy, to open this key file",
                    advice="The passphrase was not tried. Close other programs and try again, or "
                    "use a faster computer",
                ) from error
        except (KeyFileError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{path}: is not the key file of a clip-agent {role}") from error
    raise WrongPassphrase(
        f"{path}: wrong passphrase, or the file is damaged",
        advice=f"Try again; --passphrase-file and {PASSPHRASE_VARIABLE}, where given, "
        "come before what you type",
    )


def decrypt(locked: bytes, passphrase: str) -> bytes:
    """The text in the bytes of a key file; ``pyrage.DecryptError`` if it does not open.

    age measures this computer's speed each time, and refuses work that would take too long.
    A busy computer looks slow for a moment, so this tries again before it gives up.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            text: bytes = pyrage.passphrase.decrypt(locked, passphrase)
        except pyrage.DecryptError as error:
            if _EXCESSIVE_WORK not in str(error) or not left:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            break
    return text


def compare_card(path: Path, keys: Keys, *, sign: str, seal: str) -> None:
    """Raise :class:`KeyFileError` unless the card in the file ``path`` is that of ``keys``."""
    if (sign, seal) != (keys.signing.public.text, keys.recipient):
        raise KeyFileError(
            f"{path}: this card belongs to other keys than the key file beside it",
            advice="Copy both files from the same backup, or name the folder in which both are "
            "by --home. Until then, clips sealed to this card stay closed to these keys",
        )


def obtain_passphrase(
    file: Path | None,
    *,
    new: bool,
    variable: str = PASSPHRASE_VARIABLE,
    environ: Mapping[str, str] = os.environ,
    ask: Callable[[str], str] = getpass.getpass,
    at_terminal: Callable[[], bool] = sys.stdin.isatty,
) -> str:
    """The passphrase from the first line of ``file``, else the environment, else typed.

    A ``new`` one is typed twice and must be long enough. Raises :class:`KeyFileError`, and
    :class:`~agent.errors.ConfigError` for an unreadable ``file``.
    """
    try:
        if file is not None:
            passphrase = config.first_line(file)
        elif variable in environ:
            passphrase = environ[variable]
        elif at_terminal():
            passphrase = _typed(ask, new=new)
        else:
            raise KeyFileError(
                "there is no terminal to ask for the passphrase",
                advice=f"Give {_FILE_OPTIONS[variable]}, or set {variable}",
            )
        passphrase.encode()
    except UnicodeError as error:  # of a terminal or an environment in another encoding
        raise KeyFileError(
            "the passphrase is not UTF-8 text",
            advice="Set your terminal to UTF-8, or give a file saved as UTF-8",
        ) from error
    if new:
        check_length(passphrase)
    return passphrase


def _typed(ask: Callable[[str], str], *, new: bool) -> str:
    if not new:
        return ask("Passphrase: ")
    passphrase = ask(f"New passphrase, at least {MIN_PASSPHRASE_CHARACTERS} characters: ")
    check_length(passphrase)
    if ask("Again, to be sure: ") != passphrase:
        raise KeyFileError("the two passphrases differ")
    return passphrase


def refuse_existing(path: Path) -> None:
    """Raise :class:`KeyFileError` if there is a file at ``path``: keys are never overwritten."""
    if path.exists():
        raise KeyFileError(
            f"{path}: exists, and is not overwritten",
            advice="Keys that something is sealed to must not be lost: use another --home",
        )


def refuse_used(folder: Path) -> None:
    """Raise :class:`KeyFileError` unless ``folder`` is missing or empty."""
    with files.faults(folder):
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if names:
        raise KeyFileError(
            f"{folder}: holds files ({', '.join(names[:4])}{', ...' * (len(names) > 4)}), "
            "and is not overwritten",
            advice="Old clips may need the keys in it, or the paper that was printed with them: "
            "keep it, and name a new folder by --home",
        )


def create_folder(folder: Path, contents: Mapping[str, tuple[bytes, int]]) -> None:
    """Make a private ``folder`` of files (content, mode): all of them, or nothing at all.

    Raises :class:`KeyFileError` if there are files in it already.
    """
    folder = folder.resolve()
    refuse_used(folder)
    with files.faults(folder, "cannot be written"):
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, (data, mode) in contents.items():
            files.write_new(draft / name, data, mode=mode)
        files.sync_directory(draft)
        files.rename(draft, folder)  # fails if somebody has filled it meanwhile
    except BaseException:
        shutil.rmtree(draft)
        raise
    files.sync_directory(folder.parent)


def change_passphrase(path: Path, keys: Keys, role: Role, passphrase: str, *, now: float) -> None:
    """Lock the key file again. After a power cut the old passphrase opens it, or the new one."""
    files.replace(path, lock(keys, role, passphrase, now=now), mode=files.PRIVATE_MODE)


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Write and sync a new file, and its folder if it is missing.

    Raises :class:`KeyFileError` if it exists: keys are never overwritten.
    """
    refuse_existing(path)
    with files.faults(path, "cannot be written"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.write_new(path, data, mode=mode)
    files.sync_directory(path.parent)


def check_length(passphrase: str) -> None:
    """Raise :class:`KeyFileError` for a new passphrase that is too short."""
    if len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
        raise KeyFileError(f"the passphrase is shorter than {MIN_PASSPHRASE_CHARACTERS} characters")
