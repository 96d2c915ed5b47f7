"""The production recipe: ``@tus/server`` with ``requester intake`` as its hook, both real."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config, keyfile
from agent.consent import signing
from agent.consent.statements import Receipt
from agent.errors import ReceiverFault
from agent.keyfile import PASSPHRASE_VARIABLE, Keys
from agent.requester.folder import RequesterFolder, Settings
from tests.peers.npm import install
from tests.peers.process import Peer
from tests.peers.requirements import ROOT, program
from tests.peers.tus_server import SOURCE
from tests.support import statements
from tests.support.gateway_world import World, state_of
from tests.support.quick_keys import quick_passphrases
from tests.support.tus import new_client

PASSPHRASE = "correct horse battery"
RECIPE = ROOT / "packaging" / "tus-server" / "receiver.mjs"
PATIENCE_SECONDS = 120


class Hooked:
    """The recipe on loopback; ``intake`` is the command that it runs for each bundle."""

    def __init__(self, folder: Path, home: Path) -> None:
        installed = install(SOURCE)
        self._script = installed / f"{RECIPE.stem}-{os.getpid()}.mjs"
        shutil.copyfile(RECIPE, self._script)
        self.uploads, self.cases = folder / "uploads", folder / "cases"
        command = ["-m", "agent", "requester", "intake", "--home", str(home)]
        self.intake = [sys.executable, "-P", *command]
        self._peer = Peer(folder / "log")
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/files"

    def start(self, *intake: str) -> None:
        command = [program("node"), str(self._script), "--uploads", str(self.uploads)]
        command += ["--cases", str(self.cases), "--listen", f"127.0.0.1:{self.port}"]
        environment = {**os.environ, PASSPHRASE_VARIABLE: PASSPHRASE}
        output = self._peer.run(
            [*command, "--", *(intake or self.intake)], ready="ready ", environment=environment
        )
        self.port = int(output.rpartition("ready ")[2].split()[0])

    def kill(self) -> None:
        self._peer.kill()

    def end(self) -> None:
        self.kill()
        self._script.unlink()

    def wait_for_receipt(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(self.uploads.glob(".receipts/*.receipt")):
            assert time.monotonic() < deadline, self._peer.output()
            time.sleep(0.05)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world", upload=config.Upload(allow_loopback_http=True))
    yield world
    world.kill()


@pytest.fixture
def home(tmp_path: Path, world: World) -> RequesterFolder:
    person = world.house.requester
    with quick_passphrases():
        locked = keyfile.lock(
            Keys(person.signing, person.identity), "requester", PASSPHRASE, now=time.time()
        )
    return RequesterFolder.create(tmp_path / "home", locked, Settings(name="Springfield PD"))


@pytest.fixture
def hooked(tmp_path: Path, home: RequesterFolder) -> Iterator[Hooked]:
    hooked = Hooked(tmp_path, home.path)
    yield hooked
    hooked.end()


@pytest.mark.timeout(600)
def test_tus_server_with_the_hook_files_a_bundle_and_answers_also_after_a_kill(
    world: World, home: RequesterFolder, hooked: Hooked
) -> None:
    hooked.start("false")  # the first tries fail, as on a full disk
    cards = world.house.config.requesters
    place = hooked.url.split("/")[2]
    cards.write_text(re.sub(r"127\.0\.0\.1:[0-9]+", place, cards.read_text()))
    world.receiver = new_client(timeout_seconds=60)  # type: ignore[assignment]
    world.restart()
    clip = world.house.record()
    jws = world.post(world.house.request(upload=statements.upload(hooked.url)))
    home.keep_posted(jws)
    world.to_device(world.house.approve(jws, [clip]))
    (release,) = world.outcomes()
    world.clock.advance(30)
    world.run()
    assert state_of(world, release) == "SENT"
    hooked.kill()

    hooked.start()
    hooked.wait_for_receipt()
    world.clock.advance(600)
    world.run()
    assert state_of(world, release) == "DELIVERED"
    ((_, line),) = world.events("release.delivered")
    reader = world.house.requester.signing.public
    receipt = signing.verify(line["receipt"], Receipt, {reader.fingerprint: reader})
    assert receipt.verdict == "accepted"
    (bag,) = hooked.cases.glob("cases/2024-*/*/*/bagit.txt")
    assert bag.parent.name == release
    assert (hooked.cases / "index.html").exists()
    assert new_client(timeout_seconds=60).receipt(f"{hooked.url}/none", at_most=4_000) is None
    with pytest.raises(ReceiverFault, match="413"):
        new_client(timeout_seconds=60).create(hooked.url, size=2_000_000_001, metadata={})
    (upload,) = hooked.uploads.glob("*.json")
    with pytest.raises(ReceiverFault):
        new_client(timeout_seconds=60).remove(f"{hooked.url}/{upload.stem}")
    assert upload.exists(), "what was received stays"
