"""Reception of bundles: ``receive`` and ``intake``."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from agent import files, options
from agent.clock import SystemClock
from agent.errors import ClipAgentError, ConfigError
from agent.requester.cases import records
from agent.requester.cases.intake import Intake
from agent.requester.cases.records import Record
from agent.requester.folder import RequesterFolder
from agent.requester.receiver.uploads import Limits
from agent.requester.terminal.keys import unlock

log = logging.getLogger(__name__)

_RETRY_SECONDS = 60.0  # a bundle that could not be taken in, as the disk was full


def receive(arguments: argparse.Namespace) -> int:
    """``requester receive``"""
    from agent.requester.receiver.server import Receiver

    host, port = options.split_address(arguments.listen, default_port=1080)
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together")
    arrivals = None if arguments.sealed else Arrivals(_intake(arguments))
    receiver = Receiver(
        arguments.dir,
        host=host,
        port=port,
        certificate=arguments.tls_cert,
        private_key=arguments.tls_key,
        limits=Limits(max_bytes=arguments.max_bytes),
        on_finished=partial(_arrived, arrivals),
        receipt_of=partial(records.receipt_of, arguments.dir),
    )
    receiver.start()
    print(f"receiving at {receiver.url} into {arguments.dir}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: receiver.end())
    if arrivals is not None:
        arrivals.start()
    receiver.wait()
    receiver.stop()
    return 0


def intake(arguments: argparse.Namespace) -> int:
    """``requester intake``"""
    record = _intake(arguments).take(arguments.bundle)
    if arguments.receipt is not None:
        files.replace(arguments.receipt, record.receipt.encode())
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(record)))
    else:
        print(_sentence(record))
    return 0 if record.verdict == "accepted" else 1


def _intake(arguments: argparse.Namespace) -> Intake:
    home = RequesterFolder(arguments.home)
    files.make_directory(arguments.dir, mode=files.PRIVATE_DIRECTORY_MODE)
    clock = SystemClock(synced_marker=None)
    return Intake(arguments.dir, home=home, keys=unlock(home, arguments), clock=clock)


@dataclass(eq=False)
class Arrivals:
    """Takes in bundles that arrive or that an earlier run left, on a thread of its own."""

    intake: Intake
    _arrived: threading.Event = field(default_factory=threading.Event)

    def wake(self) -> None:
        """A bundle has arrived."""
        self._arrived.set()

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        self._arrived.set()
        threading.Thread(target=self._work, name="intake", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._arrived.wait(_RETRY_SECONDS)
            self._arrived.clear()
            self.take_all()

    def take_all(self) -> None:
        """Take in what is there. A file that cannot be taken in holds up no other."""
        for path in sorted(self.intake.folder.glob("*.age")):
            try:
                print(_sentence(self.intake.take(path)), flush=True)
            except ClipAgentError as error:
                print(f"{path} is not taken in yet: {error}", flush=True)
            except Exception:  # anybody may send anything, and the next file may be a bundle
                log.exception("%s is not taken in yet", path)


def _arrived(arrivals: Arrivals | None, path: Path) -> None:
    print(f"received {path}", flush=True)
    if arrivals is not None:
        arrivals.wake()


def _sentence(record: Record) -> str:
    if record.verdict == "rejected":
        return f"rejected, as {record.place}.age: {record.detail} ({record.rule})"
    keys = "keys seen before" if record.known_keys else "keys not known to you"
    return f"accepted, as {record.place}: {keys}"
