"""Public posts: ``post alert withdraw log``.

A post is signed, kept in the requester's folder, and then sent. If the broker is away, the same
post can be sent later: ``clip-agent requester post FILE.jws``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from agent import config, keyfile, options
from agent.consent import signing
from agent.consent.statements import Request
from agent.errors import ConfigError, NetworkFault, Refused
from agent.requester.demo_log.log import Log
from agent.requester.folder import RequesterFolder
from agent.requester.posts import publish
from agent.requester.posts.alert_file import AlertFile, sign_withdrawal
from agent.requester.posts.publish import Publication
from agent.requester.posts.request_file import RequestFile
from agent.requester.posts.shipped_rules import objections
from agent.requester.terminal.keys import unlock

_SIGNED = ".jws"


def post(arguments: argparse.Namespace) -> int:
    """``requester post``"""
    return _post(arguments, RequestFile, {"allow_loopback_http": arguments.allow_loopback_http})


def alert(arguments: argparse.Namespace) -> int:
    """``requester alert``"""
    return _post(arguments, AlertFile, {})


def withdraw(arguments: argparse.Namespace) -> int:
    """``requester withdraw``"""
    folder = RequesterFolder(arguments.home)
    digest, title = _find_request(folder, arguments.request)
    if not arguments.json:
        print(f"{title} ({digest[:16]})")
    options.confirm("Withdraw it, for good?", yes=arguments.yes)
    jws = sign_withdrawal(digest, unlock(folder, arguments), now=time.time())
    withdrawal = publish.read(jws, folder.card())
    return _send(folder, publish.unproven(jws, withdrawal, folder.settings().feed), arguments)


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


def _post(
    arguments: argparse.Namespace, kind: type[RequestFile | AlertFile], allowed: dict[str, bool]
) -> int:
    """Sign a file, unless it is signed already; then post it, or only keep the signed text."""
    folder, text = RequesterFolder(arguments.home), config.read_text(arguments.file)
    if arguments.sign_only is None:
        folder.broker()  # before it is signed, or entered in a log
    if arguments.file.suffix == _SIGNED:
        jws = text.strip()
    else:
        name = str(arguments.file)
        written, card = kind.parse(text, name), folder.card()
        keys = unlock(folder, arguments)
        jws = written.sign(keys, card, name=name, now=time.time(), **allowed)
    _warn(folder, jws, arguments, allowed)
    if arguments.sign_only is not None:
        # Exactly the bytes to submit to a log, without a line break.
        keyfile.write_new(arguments.sign_only, jws.encode("ascii"), mode=0o644)
        print(f"signed, and not posted: {arguments.sign_only}")
        return 0
    return _send(folder, _publication(folder, jws, arguments), arguments)


def _warn(
    folder: RequesterFolder, jws: str, arguments: argparse.Namespace, allowed: dict[str, bool]
) -> None:
    """Name the rules by which cameras, as shipped, refuse the post; on a terminal ask, too."""
    found = objections(jws, folder.card(), folder.posted(), now=time.time(), **allowed)
    for one in found:
        print(f"warning: cameras with the shipped rules refuse this: {one}", file=sys.stderr)
    if found and sys.stdin.isatty():
        options.confirm("Go on all the same?", yes=arguments.yes)


def _publication(folder: RequesterFolder, jws: str, arguments: argparse.Namespace) -> Publication:
    statement, settings = publish.read(jws, folder.card()), folder.settings()
    if arguments.link and arguments.proof is None:
        raise ConfigError("--link belongs to --proof")
    if arguments.proof is not None:
        links = [_read(path) for path in arguments.link]
        return publish.with_proof(jws, statement, settings.feed, _read(arguments.proof), links)
    if log_folder := arguments.log or settings.log:
        return publish.through_log(jws, statement, settings.feed, log_folder)
    return publish.unproven(jws, statement, settings.feed)


def _send(folder: RequesterFolder, publication: Publication, arguments: argparse.Namespace) -> int:
    broker = folder.broker()
    kept = folder.keep_posted(publication.jws)
    try:
        publish.send(publication, broker)
    except NetworkFault as error:
        again = f"It is signed already: send it with `clip-agent requester post {kept}`"
        raise NetworkFault(error.message, advice=again) from error
    digest = signing.digest(publication.jws)
    if arguments.json:
        print(json.dumps({"digest": digest, "topic": publication.topic}))
    else:
        print(f"posted {digest}\non {publication.topic}")
    return 0


def _find_request(folder: RequesterFolder, prefix: str) -> tuple[str, str]:
    """Digest and title of the posted request whose digest begins with ``prefix``; or Refused."""
    card, found = folder.card(), []
    for jws in folder.posted():
        digest = signing.digest(jws)
        if prefix and digest.startswith(prefix.lower()):
            statement = publish.read(jws, card)
            if isinstance(statement, Request):
                found.append((digest, statement.title))
    if len(found) != 1:
        raise Refused(
            "no-such-request",
            f"{'several requests' if found else 'no request'} posted from here"
            f" begin{'' if found else 's'} with {prefix!r}",
            advice="Give the first characters of its digest, as `requester post` printed it",
        )
    return found[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
