"""The check of upload URLs, for requests, approvals and shares.

The policy checks a request's URL on arrival; rule 8 of an approval checks it again, against the
requester's card as it is then. The owner signs the URL of a share, so only its form is checked.
The gateway's tus client watches redirects and where an upload continues.
"""

from __future__ import annotations

import ipaddress
import re

from agent.consent.cards import RequesterCard

# One spelling (RFC 3986 allows many): lower case, ASCII, no user, no fragment, no backslash or
# space. All readers of such a URL agree on its host.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<place>(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?)"
    r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)


def problem(url: str, card: RequesterCard, allow_loopback_http: bool = False) -> str:
    """The reason why a bundle may not be uploaded to ``url``; empty if it may.

    It must be https on a host that ``card`` lists, spelled exactly so, with its port. With
    ``allow_loopback_http`` it may be http on a listed host that is a loopback address.
    """
    found = form_problem(url, allow_loopback_http)
    match = _URL.fullmatch(url)
    if not found and match and match["place"] not in card.upload_hosts:
        return f"the card of {card.name} does not list the host {match['place']}"
    return found


def form_problem(url: str, allow_loopback_http: bool = False) -> str:
    """The reason why the form of ``url`` is not allowed; empty if it is."""
    match = _URL.fullmatch(url)
    if match is None:
        return "the upload URL is not a plain https URL"
    if match["port"] and int(match["port"]) > 65_535:
        return "the upload URL has a bad port"
    if match["scheme"] == "http" and not (allow_loopback_http and _is_loopback(match["host"])):
        return "the upload URL is not https"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
