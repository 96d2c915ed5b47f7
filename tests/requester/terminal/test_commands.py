"""The requester's commands, with a real broker and the gateway's own upload client."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import keyfile, options
from agent.config import Broker, Feed
from agent.consent import signing
from agent.consent.cards import format_fingerprint
from agent.consent.signing import SigningKey
from agent.consent.statements import Receipt, Request
from agent.errors import BundleRefused, ConfigError, KeyFileError, NetworkFault
from agent.gateway.release.tus_client import TusClient
from agent.keyfile import PASSPHRASE_VARIABLE, Keys
from agent.mqtt import topics
from agent.requester.folder import RequesterFolder, Settings
from agent.requester.receiver.server import Receiver
from agent.requester.terminal import commands
from tests.peers.mosquitto import Mosquitto
from tests.peers.requirements import ROOT
from tests.requester.release import CLIP, FakeRelease
from tests.support.links import retained

PASSPHRASE = "correct horse battery"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    commands.register(parser.add_subparsers(required=True))
    parsed = parser.parse_args(["requester", *arguments])
    return options.run(parsed)


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)


@pytest.fixture(scope="session")
def locked(keys: Keys) -> bytes:
    return keyfile.lock(keys, "requester", PASSPHRASE, now=time.time())


@pytest.fixture
def home(tmp_path: Path, mosquitto: Mosquitto, locked: bytes) -> RequesterFolder:
    broker = Broker(host=mosquitto.host, port=mosquitto.port)
    settings = Settings(name="Springfield PD", broker=broker, feed=Feed(topic="city/feed"))
    return RequesterFolder.create(tmp_path / "requester", locked, settings)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    """Opening the key file takes a second of scrypt; one test does it for all."""
    monkeypatch.setattr(RequesterFolder, "unlock", lambda self, passphrase: keys)


@pytest.mark.usefixtures("unlocked")
def test_a_request_is_posted_exactly_as_signed(
    home: RequesterFolder, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.make_card(keys, hosts=["evidence.example.org"], contact="")
    end = datetime.now(UTC) - timedelta(hours=1)
    ask = tmp_path / "ask.yaml"
    ask.write_text(
        "title: Bicycle theft\ntext: A red bicycle.\nincident: theft\nreference: '1'\n"
        "contact: 413 555 0100\nupload: https://evidence.example.org/files/\n"
        "around: {latitude: 42.1, longitude: -72.6, square_miles: 0.5}\n"
        f"window: {{from: {(end - timedelta(hours=1)).isoformat()}, to: {end.isoformat()}}}\n"
    )
    assert run("post", str(ask), "--json", "--home", str(home.path)) == 0
    told = json.loads(capsys.readouterr().out)

    (post,) = retained(home.broker(), topics.request("city/feed", topics.ANY))
    request = signing.verify(post.payload, Request, {keys.fingerprint: keys.signing.public})
    assert post.retained
    assert post.topic == told["topic"] == topics.request("city/feed", request.jti)
    assert signing.digest(post.payload.decode()) == told["digest"]
    assert (home.path / "posted" / f"{told['digest'][:16]}.jws").read_bytes() == post.payload


def test_a_file_with_a_mistake_asks_for_no_passphrase(
    home: RequesterFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    ask = tmp_path / "ask.yaml"
    ask.write_text("title: x\n")
    with pytest.raises(ConfigError, match="missing key"):
        run("post", str(ask), "--home", str(home.path))


@pytest.mark.usefixtures("unlocked")
def test_a_card_names_the_hosts(home: RequesterFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="--host"):
        run("card", "--home", str(home.path))
    arguments = ("--host", "a.example", "--host", "b.example:8443", "--home", str(home.path))
    assert run("card", *arguments) == 0
    assert "b.example:8443" in capsys.readouterr().out
    assert home.card().upload_hosts == ("a.example", "b.example:8443")


def test_an_invalid_host_does_not_change_the_card(home: RequesterFolder, keys: Keys) -> None:
    home.make_card(keys, hosts=["a.example"], contact="")
    with pytest.raises(ConfigError, match="upload_hosts"):
        home.make_card(keys, hosts=["https://a.example/"], contact="")
    assert home.card().upload_hosts == ("a.example",)


def test_a_bundle_uploaded_by_the_gateway_opens(
    home: RequesterFolder,
    keys: Keys,
    release: FakeRelease,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sealed = release.bundle()
    receiver = Receiver(tmp_path / "in")
    receiver.start()
    try:
        client = TusClient(timeout_seconds=60, ca_file=None, allow_loopback_http=True)
        metadata = {"filename": "0123456789abcdef.age", "release": "0123456789abcdef"}
        url = client.create(receiver.url, size=len(sealed), metadata=metadata)
        offset = 0
        while offset < len(sealed):
            chunk = sealed[offset : offset + 3_000]
            offset = client.send(url, offset=offset, chunk=chunk, size=len(sealed))
            assert client.offset(url, size=len(sealed)) == offset
    finally:
        receiver.stop()
    bundle = tmp_path / "in" / "0123456789abcdef.age"

    assert run("open", str(bundle), "--home", str(home.path)) == 0
    out = capsys.readouterr().out
    assert "keys: not known to you" in out and "bundle: ok" not in out
    assert f"data/{CLIP}.mp4  10 pictures, H.264" in out
    assert "first picture  2024-01-24" in out and "The owner tells no name" in out
    folder = Path(out.splitlines()[-1].removeprefix("opened in "))
    assert (folder / "data" / f"{CLIP}.mp4").exists()

    bundle.write_bytes(sealed[:-1])
    with pytest.raises(BundleRefused, match="truncated"):
        run("open", str(bundle), "--output", str(tmp_path / "x"), "--home", str(home.path))


def test_a_share_of_two_owners_names_both(
    home: RequesterFolder,
    release: FakeRelease,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    release.second, release.shared = SigningKey.generate(), True
    bundle = tmp_path / "bundle.age"
    bundle.write_bytes(release.bundle())
    assert run("open", str(bundle), "--home", str(home.path)) == 0
    out = capsys.readouterr().out
    assert "shared by its owner, without a request" in out
    for who, key in (("owner", release.owner), ("second owner", release.second)):
        assert f"  {who}: {format_fingerprint(key.public.fingerprint)}  not known to you" in out

    folder = str(tmp_path / "again")
    assert run("open", str(bundle), "--json", "--output", folder, "--home", str(home.path)) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["second_owner"] == release.second.public.fingerprint
    assert (plain["request"], plain["reference"]) == (None, None)


def test_the_wrong_passphrase(
    home: RequesterFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "wrong horse")
    bundle = tmp_path / "bundle.age"
    with pytest.raises(KeyFileError, match="wrong passphrase"):
        run("open", str(bundle), "--home", str(home.path))


@contextmanager
def _receiving(folder: Path, listen: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    code = (
        "import argparse, sys; from agent import options;"
        "from agent.requester.terminal import commands;"
        "p = argparse.ArgumentParser(); commands.register(p.add_subparsers());"
        "a = p.parse_args(sys.argv[1:]); sys.exit(options.run(a))"
    )
    command = [sys.executable, "-c", code, "requester", "receive", "--dir", str(folder)]
    with subprocess.Popen(
        [*command, "--listen", listen, *(more or ("--sealed",))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_receive_prints_uploads_survives_a_kill_and_ends_on_sigterm(tmp_path: Path) -> None:
    client = TusClient(timeout_seconds=60, ca_file=None, allow_loopback_http=True)
    with _receiving(tmp_path / "in", "127.0.0.1:0") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2]
        upload = client.create(url, size=6, metadata={"release": "0123456789abcdef"})
        client.send(upload, offset=0, chunk=b"abc", size=6)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with pytest.raises(NetworkFault):
        client.offset(upload, size=6)
    with _receiving(tmp_path / "in", url.split("/")[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert client.offset(upload, size=6) == 3
        client.send(upload, offset=3, chunk=b"def", size=6)
        assert process.stdout.readline().strip().endswith("0123456789abcdef.age")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert (tmp_path / "in" / "0123456789abcdef.age").read_bytes() == b"abcdef"


def test_receive_with_its_keys_answers_what_arrives_and_what_a_kill_left_behind(
    tmp_path: Path, home: RequesterFolder, keys: Keys, release: FakeRelease
) -> None:
    client = TusClient(timeout_seconds=60, ca_file=None, allow_loopback_http=True)
    home.keep_posted(release.request)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fedcba9876543210.age").write_bytes(b"noise" * 99)  # received, not filed
    sealed = release.bundle()
    with _receiving(tmp_path / "in", "127.0.0.1:0", "--home", str(home.path)) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2]
        assert process.stdout.readline().startswith("rejected, as rejected/")
        upload = client.create(url, size=len(sealed), metadata={"release": "0123456789abcdef"})
        assert client.receipt(upload, at_most=4_000) is None
        client.send(upload, offset=0, chunk=sealed, size=len(sealed))
        process.stdout.readline()
        assert process.stdout.readline().startswith("accepted, as cases/2024-001234/")
        jws = client.receipt(upload, at_most=4_000)
    assert jws is not None
    receipt = signing.verify(jws, Receipt, {keys.fingerprint: keys.signing.public})
    assert (receipt.verdict, receipt.bundle) == ("accepted", hashlib.sha256(sealed).hexdigest())


def test_intake_writes_the_receipt_and_tells_a_rejection_by_its_exit_code(
    tmp_path: Path, home: RequesterFolder, release: FakeRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    home.keep_posted(release.request)
    for sealed, code in ((release.bundle(), 0), (b"noise" * 99, 1)):
        path = tmp_path / "0123456789abcdef.age"
        path.write_bytes(sealed)
        arguments = ("--dir", str(tmp_path / "cases"), "--receipt", str(tmp_path / "receipt"))
        assert run("intake", str(path), *arguments, "--json", "--home", str(home.path)) == code
        told = json.loads(capsys.readouterr().out)
        assert told["verdict"] == ("rejected" if code else "accepted")
        assert (tmp_path / "receipt").read_text() == told["receipt"]
        assert not path.exists()


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="belong together"):
        run("receive", "--dir", str(tmp_path), "--tls-cert", "x.pem")
    with pytest.raises(ConfigError, match="HOST:PORT"):
        run("receive", "--dir", str(tmp_path), "--listen", "nowhere:http")


def test_requester_init_beside_a_half_folder_changes_nothing(
    home: RequesterFolder, keys: Keys
) -> None:
    home.make_card(keys, hosts=["a.example"], contact="")
    home.key_path.unlink()
    before = {path.name: path.read_bytes() for path in home.path.iterdir()}
    with pytest.raises(KeyFileError, match=r"requester\.card\.yaml.*not overwritten"):
        run("init", "--name", "PD", "--broker", "b.example", "--home", str(home.path))
    assert {path.name: path.read_bytes() for path in home.path.iterdir()} == before


def test_options_that_cannot_be_used_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="feed"):
        options = ["--name", "PD", "--broker", "b.example", "--feed", "a/#"]
        run("init", *options, "--home", str(tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_a_requesters_card_of_other_keys_is_named_at_each_unlock(
    home: RequesterFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Keys.generate()
    home.make_card(other, hosts=["a.example"], contact="")
    monkeypatch.setattr(keyfile, "unlock", lambda *arguments: other)
    assert home.unlock(PASSPHRASE) is other
    monkeypatch.setattr(keyfile, "unlock", lambda *arguments: Keys.generate())
    with pytest.raises(KeyFileError, match="other keys"):
        home.unlock(PASSPHRASE)
