"""Receive bundles and open them: ``receive open``."""

from __future__ import annotations

import argparse
import json
import signal

import msgspec

from agent import options
from agent.consent.cards import format_fingerprint
from agent.errors import ConfigError
from agent.requester.bundle.verify import OpenedBundle, open_bundle
from agent.requester.folder import RequesterFolder
from agent.requester.receiver.uploads import Limits
from agent.requester.terminal.keys import unlock


def receive(arguments: argparse.Namespace) -> int:
    """``requester receive``"""
    from agent.requester.receiver.server import Receiver

    host, port = options.split_address(arguments.listen, default_port=1080)
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together")
    receiver = Receiver(
        arguments.dir,
        host=host,
        port=port,
        certificate=arguments.tls_cert,
        private_key=arguments.tls_key,
        limits=Limits(max_bytes=arguments.max_bytes),
        on_finished=lambda path: print(f"received {path}", flush=True),
    )
    receiver.start()
    print(f"receiving at {receiver.url} into {arguments.dir}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: receiver.end())
    receiver.wait()
    receiver.stop()
    return 0


def open_(arguments: argparse.Namespace) -> int:
    """``requester open``"""
    output = arguments.output or arguments.bundle.with_suffix("")
    keys = unlock(RequesterFolder(arguments.home), arguments)
    opened = open_bundle(arguments.bundle, keys, output)
    if arguments.json:
        print(json.dumps(_plain(opened), indent=2))
        return 0
    print("bundle: ok")
    if opened.request is None:
        print("shared by its owner, without a request")
    else:
        print(f"request {(opened.request_digest or '')[:16]}, {opened.request.reference}")
    print(f"released by the device {format_fingerprint(opened.release.iss)}")
    print(f"approved by the owner  {format_fingerprint(opened.approval.iss)}")
    if opened.second is not None:
        print(f"and by the owner       {format_fingerprint(opened.second.iss)}")
    for clip in opened.clips:
        print(clip)
    return 0


def _plain(opened: OpenedBundle) -> dict[str, object]:
    return {
        "bundle": "ok",
        "folder": str(opened.folder),
        "clips": [str(clip) for clip in opened.clips],
        "request": opened.request_digest,
        "reference": opened.request.reference if opened.request else None,
        "device": opened.release.iss,
        "owner": opened.approval.iss,
        "second_owner": opened.second.iss if opened.second else None,
        "release": msgspec.to_builtins(opened.release),
    }
