"""Push messages by ntfy (https://docs.ntfy.sh/publish/): one POST of JSON for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import urllib3

from agent import config
from agent.consent.policy import upload
from agent.errors import ConfigError, NetworkFault
from agent.owner.watch.household import Message
from agent.tls import trusting

_SECONDS: Final = 20.0
_MAX_ANSWER_BYTES: Final = 65_536
_TOPIC: Final = re.compile(r"(https?://[^/?]+)/([-_A-Za-z0-9]{1,64})")
_URGENT, _NORMAL = 4, 3  # priorities from 1 to 5
_TAGS: Final = {"request": "inbox_tray", "legal-order": "scales"}  # emojis, by their short names


class Ntfy:
    """The topic at ``url``; ``token`` is an access token of its server, or empty.

    Only https, or http on a loopback address: anybody on the way could read other http. Redirects
    are not followed, so no other host gets the token.
    """

    name = "ntfy"

    def __init__(self, url: str, *, token: str = "", ca_file: Path | None = None) -> None:
        match = _TOPIC.fullmatch(url.rstrip("/"))
        if match is None or upload.form_problem(match[1], allow_loopback_http=True):
            raise ConfigError(
                f"--ntfy {url}: must be https://HOST/TOPIC, or http://127.0.0.1:PORT/TOPIC"
            )
        self._server, self._topic = match.groups()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        tls = trusting(ca_file) if self._server.startswith("https") else None
        self._pool = urllib3.PoolManager(ssl_context=tls, retries=False, timeout=_SECONDS)

    def tell(self, message: Message) -> None:
        """See :class:`~agent.owner.watch.channels.channel.Channel`."""
        body = {
            "topic": self._topic,
            "title": message.device or "clip-agent",
            "message": message.text,
            "priority": _URGENT if message.urgent else _NORMAL,
            "tags": [_TAGS.get(message.kind, "white_check_mark" if message.over else "warning")],
        }
        try:
            answer = self._pool.request(
                "POST",
                f"{self._server}/",
                json=body,
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
            answer.read(_MAX_ANSWER_BYTES)
            answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NetworkFault(f"{self._server} cannot be reached ({error})") from error
        if answer.status in (401, 403):
            raise NetworkFault(
                f"{self._server} does not let us write to {self._topic}",
                advice="Give a token that may, by --ntfy-token",
            )
        if answer.status != 200:
            raise NetworkFault(f"{self._server} answers HTTP {answer.status}")


def load(url: str, token_file: Path | None, ca_file: Path | None) -> Ntfy:
    """The channel with the token in the first line of a file; raises ConfigError."""
    token = "" if token_file is None else config.first_line(token_file)
    if token_file is not None and not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(f"{token_file}: its first line is no token")
    return Ntfy(url, token=token, ca_file=ca_file)
