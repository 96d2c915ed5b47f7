"""Answers to a server that wants a login: Digest (RFC 7616, 2617) and Basic (RFC 7617).

The strongest algorithm that we know is answered. A password never goes out by Basic where
Digest is offered, not even if no offered algorithm is known.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

# The best one first. SHA-512-256 is left out: its implementations do not agree.
_HASHES = {"SHA-256": "sha256", "MD5": "md5"}
_KNOWN = [f"{name}{sess}" for name in _HASHES for sess in ("", "-SESS")]
_FFMPEG_KNOWS = {"", "MD5", "MD5-SESS"}

_NAME = r"[\w!#$%&'*+.^`|~-]+"
_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.S)
_PARAMETER = re.compile(rf"({_NAME})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^\s\"]*))", re.S)
_SCHEME = re.compile(rf"({_NAME})(?:\s+(.*))?", re.S)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in: a scheme in lower case, and its parameters by their names in lower case.

    Quoted values stand as they came, escapes included, as RFC 7616 hashes and returns them.
    """

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """The algorithm in capitals; MD5 if none is named."""
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def is_stale(self) -> bool:
        """True if the login was right, and only its nonce too old."""
        return self.parameters.get("stale", "").lower() == "true"


@dataclass(frozen=True, slots=True)
class Login:
    """A name and password. Prints without them."""

    name: str = field(repr=False)
    password: str = field(repr=False)


def parse(header: str) -> list[Challenge]:
    """The challenges in one ``WWW-Authenticate`` header; text that is none is skipped."""
    found: list[Challenge] = []
    for item in _ITEM.findall(header):
        text = item.strip()
        if (given := _PARAMETER.fullmatch(text)) is None:
            if (begun := _SCHEME.fullmatch(text)) is None:
                continue
            found.append(Challenge(begun[1].lower()))
            given = _PARAMETER.fullmatch((begun[2] or "").strip())
        if given is not None and found:
            value = given[3] if given[2] is None else given[2]
            found[-1].parameters.setdefault(given[1].lower(), value)
    return found


def parse_all(headers: Iterable[str]) -> list[Challenge]:
    """The challenges in all ``headers``."""
    return [each for header in headers for each in parse(header)]


def is_ffmpegs(headers: Iterable[str]) -> bool:
    """True if FFmpeg finds its way in through these headers.

    It takes a header for one challenge, the last Digest for the only one, and knows no algorithm
    but MD5. Of several challenges in one header it may choose Basic where Digest is offered.
    """
    lines = [parse(header) for header in headers]
    if any(len(line) != 1 for line in lines):
        return False
    digests = [line[0] for line in lines if line[0].scheme == "digest"]
    if not digests:
        return True
    last = digests[-1].parameters
    qops = {each.strip().lower() for each in last.get("qop", "auth").split(",")}
    return last.get("algorithm", "").upper() in _FFMPEG_KNOWS and "auth" in qops


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The best one that we can answer; None if there is none."""
    offered = list(challenges)
    digests = [each for each in offered if each.scheme == "digest"]
    known = [each for each in digests if each.algorithm in _KNOWN and "nonce" in each.parameters]
    if known:
        return min(known, key=lambda each: _KNOWN.index(each.algorithm))
    return next((each for each in offered if each.scheme == "basic" and not digests), None)


class Answer:
    """Answers one challenge, for any number of requests."""

    def __init__(self, challenge: Challenge, login: Login) -> None:
        self._challenge, self._login = challenge, login
        self._count = 0

    def header(self, method: str, uri: str) -> str:
        """The value of ``Authorization`` for a request without a body."""
        if self._challenge.scheme == "basic":
            pair = f"{self._login.name}:{self._login.password}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        return self._digest(method, uri)

    def _digest(self, method: str, uri: str) -> str:
        given = self._challenge.parameters
        name = self._challenge.algorithm.removesuffix("-SESS")
        realm, nonce = given.get("realm", ""), given["nonce"]
        ours = secrets.token_hex(8)
        qop = _quality(given.get("qop"))
        self._count += 1
        count = f"{self._count:08x}"

        def digest(*parts: str) -> str:
            return hashlib.new(_HASHES[name], ":".join(parts).encode()).hexdigest()

        secret = digest(self._login.name, realm, self._login.password)
        if self._challenge.algorithm.endswith("-SESS"):
            secret = digest(secret, nonce, ours)
        request = digest(method, uri, *([digest("")] if qop == "auth-int" else []))
        middle = (nonce, count, ours, qop) if qop else (nonce,)
        user = re.sub(r'(["\\])', r"\\\1", self._login.name)
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
        fields["response"] = digest(secret, *middle, request)
        if "opaque" in given:
            fields["opaque"] = given["opaque"]
        bare = {"algorithm": given["algorithm"]} if "algorithm" in given else {}
        if qop:
            bare |= {"qop": qop, "nc": count}
        if qop or self._challenge.algorithm.endswith("-SESS"):
            fields["cnonce"] = ours
        quoted = [f'{key}="{value}"' for key, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{k}={v}" for k, v in bare.items())])


def _quality(offered: str | None) -> str:
    """The protection to use: none with servers of RFC 2069, which offer none."""
    if offered is None:
        return ""
    names = [each.strip().lower() for each in offered.split(",")]
    return "auth-int" if "auth-int" in names and "auth" not in names else "auth"
