"""What a requester says in public: ``post alert withdraw log``.

A post is signed, kept in the requester's folder, and then sent. So when the broker is
away, the very same post can be sent again: ``clip-agent requester post FILE.jws``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from agent import config, keyfile, options
from agent.config import Feed
from agent.consent import signing
from agent.consent.statements import Request
from agent.errors import ConfigError, NetworkFault, Refused
from agent.requester.demo_log.log import Log
from agent.requester.folder import RequesterFolder
from agent.requester.posts import alert_file, publish, request_file
from agent.requester.posts.publish import Post, Publication
from agent.requester.terminal.keys import unlock

_SIGNED = ".jws"


def post(arguments: argparse.Namespace) -> int:
    """``requester post``"""
    home, name = RequesterFolder(arguments.home), str(arguments.file)
    if arguments.file.suffix == _SIGNED:
        return _publish(home, config.read_text(arguments.file).strip(), arguments)
    wanted = request_file.parse(config.read_text(arguments.file), name)
    card = home.card()
    jws = request_file.sign(
        wanted,
        unlock(home, arguments),
        card,
        name=name,
        now=time.time(),
        allow_loopback_http=arguments.allow_loopback_http,
    )
    return _publish(home, jws, arguments)


def alert(arguments: argparse.Namespace) -> int:
    """``requester alert``"""
    home, name = RequesterFolder(arguments.home), str(arguments.file)
    if arguments.file.suffix == _SIGNED:
        return _publish(home, config.read_text(arguments.file).strip(), arguments)
    wanted = alert_file.parse(config.read_text(arguments.file), name)
    home.card()
    keys = unlock(home, arguments)
    return _publish(
        home, alert_file.sign_alert(wanted, keys, name=name, now=time.time()), arguments
    )


def withdraw(arguments: argparse.Namespace) -> int:
    """``requester withdraw``"""
    home = RequesterFolder(arguments.home)
    digest, title = _find_request(home, arguments.request)
    if not arguments.json:
        print(f"{title} ({digest[:16]})")
    options.confirm("Withdraw it, for good?", yes=arguments.yes)
    jws = alert_file.sign_withdrawal(digest, unlock(home, arguments), now=time.time())
    settings = home.settings()
    said = publish.read(jws, home.card())
    return _send(home, jws, publish.unproven(jws, said, settings.feed), arguments)


def log(arguments: argparse.Namespace) -> int:
    """``requester log``"""
    if arguments.name is not None:
        Log.create(arguments.folder, arguments.name)
    with Log.open(arguments.folder) as opened:
        told = {"key": opened.key, "entries": len(opened)}
    if arguments.json:
        print(json.dumps(told))
    else:
        print(f"{told['entries']} entries\nFor owners to pin, as feed.log_key: {told['key']}")
    return 0


def _publish(home: RequesterFolder, jws: str, arguments: argparse.Namespace) -> int:
    """Sign only, or post with what shows that it is public."""
    card, settings = home.card(), home.settings()
    said = publish.read(jws, card)
    if arguments.sign_only is not None:
        _write_signed(arguments.sign_only, jws)
        print(f"signed, and not posted: {arguments.sign_only}")
        return 0
    if arguments.link and arguments.proof is None:
        raise ConfigError("--link belongs to --proof")
    publication = _publication(jws, said, settings.feed, settings.log, arguments)
    return _send(home, jws, publication, arguments)


def _publication(
    jws: str, said: Post, feed: Feed, log: Path | None, arguments: argparse.Namespace
) -> Publication:
    if arguments.proof is not None:
        links = [_read(path) for path in arguments.link]
        return publish.with_proof(jws, said, feed, _read(arguments.proof), links)
    folder = arguments.log or log
    if folder is not None:
        return publish.through_log(jws, said, feed, folder)
    return publish.unproven(jws, said, feed)


def _send(
    home: RequesterFolder, jws: str, publication: Publication, arguments: argparse.Namespace
) -> int:
    settings, kept = home.settings(), home.keep_posted(jws)
    try:
        publish.send(publication, settings.feed.broker or settings.broker)
    except NetworkFault as error:
        again = f"It is signed already: send it with `clip-agent requester post {kept}`"
        raise NetworkFault(error.message, advice=again) from error
    digest = signing.digest(jws)
    if arguments.json:
        print(json.dumps({"digest": digest, "topic": publication.topic}))
    else:
        print(f"posted {digest}\non {publication.topic}")
    return 0


def _find_request(home: RequesterFolder, prefix: str) -> tuple[str, str]:
    """Digest and title of the posted request whose digest begins so; Refused otherwise."""
    card, found = home.card(), []
    for jws in home.posted():
        digest = signing.digest(jws)
        if prefix and digest.startswith(prefix.lower()):
            said = publish.read(jws, card)
            if isinstance(said, Request):
                found.append((digest, said.title))
    if len(found) != 1:
        why = "several" if found else "none"
        raise Refused(
            "no-such-request",
            f"of what was posted from here, {why} is a request {prefix!r}",
            advice="Give the first digits of its digest, as `requester post` printed it",
        )
    return found[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def _write_signed(path: Path, jws: str) -> None:
    """Exactly the bytes that are to be submitted to a log: no line break behind them."""
    keyfile.write_new(path, jws.encode("ascii"), mode=0o644)
