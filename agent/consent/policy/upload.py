"""Where a bundle may be uploaded to: one check for requests (policy), approvals and shares.

The policy asks it when a request arrives, rule 8 of an approval asks again when
the owner decides, by the requester's card as it is then. The host of a share is the
owner's own word, and only its form is judged. Redirects, and where an
upload goes on after its creation, are for the gateway's tus client to watch.
"""

from __future__ import annotations

import ipaddress
import re

from agent.consent.cards import RequesterCard

# One spelling only (RFC 3986 allows many): lower case, ASCII, no user, no fragment, no
# backslash or space. Two readers of such a URL cannot differ on the host it names.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<place>(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?)"
    r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)


def problem(url: str, card: RequesterCard, allow_loopback_http: bool = False) -> str:
    """Why a bundle may not be uploaded to ``url``, or an empty string if it may.

    It must be https on a host that ``card`` lists, spelled exactly as there, port
    included. With ``allow_loopback_http`` it may also be http, on a listed host
    that is the literal address of a loopback interface.
    """
    if found := form_problem(url, allow_loopback_http):
        return found
    match = _URL.fullmatch(url)
    place = match["place"] if match else ""
    if place not in card.upload_hosts:
        return f"the card of {card.name} does not list the host {place}"
    return ""


def form_problem(url: str, allow_loopback_http: bool = False) -> str:
    """Why nothing may be uploaded to ``url``, whatever its host, or an empty string."""
    match = _URL.fullmatch(url)
    if match is None:
        return "the upload URL is not a plain https URL"
    if match["port"] and int(match["port"]) > 65_535:
        return "the upload URL names no port"
    if match["scheme"] == "http" and not (allow_loopback_http and _is_loopback(match["host"])):
        return "the upload URL is not https"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
