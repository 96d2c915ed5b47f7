"""URLs of upload receivers: the check that they may be contacted, and their origins."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from agent.errors import ReceiverRefused

MAX_CHARACTERS: Final = 2_000


def check(url: str, *, loopback_http: bool) -> SplitResult:
    """Split ``url``, or refuse it by the rule ``unsafe-url``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ReceiverRefused("unsafe-url", f"{url[:200]!r} is not a URL") from error
    allowed = parts.scheme == "https" or (
        parts.scheme == "http" and loopback_http and _is_loopback(parts.hostname)
    )
    clean = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_CHARACTERS
    if not (allowed and clean and parts.hostname and port != 0):
        raise ReceiverRefused("unsafe-url", f"{url[:200]!r} is not an HTTPS address")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ReceiverRefused("unsafe-url", "an upload URL may not have a user or a fragment")
    return parts


def secured(upload_url: str, url: str) -> str:
    """``upload_url``, by HTTPS if ``url`` is: a receiver may not know of its TLS proxy."""
    theirs, ours = urlsplit(upload_url), urlsplit(url)
    same_host = theirs.hostname == ours.hostname and theirs.port in (None, 80, ours.port)
    if (ours.scheme, theirs.scheme) == ("https", "http") and same_host and "@" not in theirs.netloc:
        return theirs._replace(scheme="https", netloc=ours.netloc).geturl()
    return upload_url


def same_origin(first: str, second: str) -> bool:
    """Tell if two URLs have the same scheme, host and port."""
    try:
        return origin(urlsplit(first)) == origin(urlsplit(second))
    except ValueError:
        return False


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port; two URLs with the same are of one server."""
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname or "", parts.port or default


def _is_loopback(host: str | None) -> bool:
    """True for a numeric loopback address; a name may point anywhere."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
