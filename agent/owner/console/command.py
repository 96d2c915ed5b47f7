"""``owner console``: the address, the link, and the server."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from urllib.parse import urlsplit

import segno
import uvicorn

from agent import keyfile, options
from agent.clock import SystemClock
from agent.errors import ConfigError, NetworkFault
from agent.owner.console import app
from agent.owner.console.door import LINK_SECONDS, Door
from agent.owner.home.folder import OwnerFolder

DEFAULT_PORT = 8642
_MAX_CONNECTIONS = 64


def console(arguments: argparse.Namespace) -> int:
    """``owner console``"""
    folder, clock = OwnerFolder(arguments.home), SystemClock(synced_marker=None)
    host, port = options.split_address(arguments.listen, default_port=DEFAULT_PORT)
    if arguments.link:
        origin = origins_of(arguments.origin, host, port)[0]
        keyfile.require(folder.key_path, "owner")
        _tell(Door(folder, clock).link(), origin)
        return 0
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with _bind(host, port) as listener:
        origins = origins_of(arguments.origin, host, listener.getsockname()[1])
        built = app.build(folder, origins, clock, idle_seconds=60 * arguments.idle)
        if sys.stdout.isatty():
            _tell(built.state.console.door.link(), origins[0])
        else:  # a service, whose journal others may read
            print(f"Listening for {origins[0]}/; `clip-agent owner console --link` admits browsers")
        sys.stdout.flush()
        server = uvicorn.Server(
            uvicorn.Config(
                built,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=5,
            )
        )
        server.run([listener])
    return 0


def origins_of(origin: str | None, host: str, port: int) -> tuple[str, ...]:
    """The origins of the pages: the household's own, or this computer's names for itself.

    Raises ConfigError for an origin that is none, and for a network address without HTTPS.
    """
    if origin is not None:
        parts = urlsplit(origin)
        rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme != "https" or not parts.hostname or rest:
            raise ConfigError(
                f"--origin {origin}: must be https:// and a host, for example"
                " https://clips.example.net"
            )
        return (f"https://{parts.netloc.lower()}",)
    if host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(
            f"--listen {host}: other computers reach this address, and would send your passphrase"
            " without encryption",
            advice="Put a web server with HTTPS before the console and name its address by"
            " --origin (docs/owner.md shows how)",
        )
    return tuple(f"http://{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]"))


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise NetworkFault(
            f"cannot listen on {host}:{port} ({error.strerror or error})",
            advice="Is the console running already? Open it, or make a link with --link",
        ) from error


def _tell(token: str, origin: str) -> None:
    """Print a link that admits one browser, and the same for a phone's camera."""
    link = f"{origin}/enter?token={token}"
    minutes = LINK_SECONDS / 60
    print(f"Open this in a browser within {minutes:.0f} minutes. It works once:\n\n  {link}\n")
    if origin.startswith("https://"):
        segno.make(link, error="m").terminal(compact=True)
    print(f"A browser that was here before opens {origin}/ and needs no link.")
