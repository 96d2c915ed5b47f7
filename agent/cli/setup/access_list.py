"""Mosquitto's two files of users: the access list, and the passwords.

Both are edited as text, so that what an administrator has added stays. The rules come from the
access list that is shipped (``clip-agent.acl``), with this device's name in place of its example's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from importlib import resources
from typing import Final

DEVICE: Final = "front-door"  # the users of the shipped list
OWNER: Final = "owner"
PAIRING: Final = "pairing"
OTHERS: Final = ("watcher", "homeassistant", "requester", "reader")

_HEAD: Final = """\
# Who may say and hear what. `clip-agent setup` adds blocks for the camera, for each paired
# computer and for one that is being paired; what else is here stays.
"""
# Mosquitto's own form (mosquitto_passwd, PBKDF2 with SHA-512): $7$<rounds>$<salt>$<hash>, base64.
_ROUNDS: Final = 101  # its default; these passwords are random and 128 bits long
_SALT_BYTES: Final = 12
_HASHED: Final = re.compile(r"\$7\$([0-9]{1,7})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")


def shipped(name: str) -> str:
    """A file of config/mosquitto."""
    return resources.files(__package__).joinpath(name).read_text()


def with_user(text: str, name: str, *, like: str, device: str = "") -> str:
    """The access list ``text``, with all rules of the shipped user ``like`` for ``name``.

    ``device`` is the name in its topics.
    """
    template = shipped("clip-agent.acl")
    rules = [re.sub(rf"\b{DEVICE}\b", device, rule) for rule in _rules(template, like)]
    missing = [rule for rule in rules if rule not in _rules(text, name)]
    lines = (text or _HEAD).splitlines()
    if f"user {name}" in lines:
        at = lines.index(f"user {name}") + 1
        lines[at:at] = missing
    else:
        lines += ["", f"user {name}", *missing]
    return "\n".join(lines) + "\n"


def _rules(text: str, name: str) -> list[str]:
    """The rules of a user, without comments."""
    rules, is_inside = [], False
    for line in text.splitlines():
        if line.startswith("user "):
            is_inside = line == f"user {name}"
        elif is_inside and line.strip() and not line.startswith("#"):
            rules.append(line)
    return rules


def with_password(text: str, name: str, password: str) -> str:
    """The password file ``text``, in which ``password`` is that of ``name``."""
    if _has_password(text, name, password):
        return text
    salt = os.urandom(_SALT_BYTES)
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    entry = f"$7${_ROUNDS}${_base64(salt)}${_base64(hashed)}"
    return without_user(text, name) + f"{name}:{entry}\n"


def without_user(text: str, name: str) -> str:
    """The password file ``text`` without ``name``, who can log in no more."""
    lines = [line for line in text.splitlines() if line.partition(":")[0] != name]
    return "".join(f"{line}\n" for line in lines)


def _has_password(text: str, name: str, password: str) -> bool:
    for line in text.splitlines():
        user, _, entry = line.partition(":")
        if user == name and (match := _HASHED.fullmatch(entry)):
            salt, stored = base64.b64decode(match[2]), base64.b64decode(match[3])
            found = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, int(match[1]))
            return hmac.compare_digest(found, stored)
    return False


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
