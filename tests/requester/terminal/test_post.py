"""Public posts: with a log's proof, as an alert, and withdrawn."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config import Broker, Feed
from agent.consent import signing
from agent.consent.policy import area
from agent.consent.statements import Alert, Request, Withdrawal
from agent.consent.transparency.proof import LogPolicy, read_proof
from agent.consent.transparency.view import Included, LogView
from agent.errors import ConfigError, NetworkFault, NotPublic, Refused, UntrustedSignature
from agent.keyfile import PASSPHRASE_VARIABLE, Keys
from agent.mqtt import topics
from agent.mqtt.link import Received
from agent.requester.demo_log.log import Log
from agent.requester.folder import RequesterFolder, Settings
from tests.peers.mosquitto import Mosquitto
from tests.requester.terminal.test_commands import run
from tests.support.links import retained

FEED = "city/feed"
ALERT = """\
title: Water main broken on Elm Street
text: |
  Boil your water.
around: {latitude: 42.1, longitude: -72.6, square_miles: 2}
open_days: 2
"""


@pytest.fixture(autouse=True)
def _unlocked(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse battery")
    monkeypatch.setattr(RequesterFolder, "unlock", lambda self, passphrase: keys)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    Log.create(tmp_path / "log", "log.example/requests")
    return tmp_path / "log"


def key_of(log: Path) -> str:
    with Log.open(log) as opened:
        return opened.key


def make_home(path: Path, keys: Keys, broker: Broker, feed: Feed) -> RequesterFolder:
    settings = Settings(name="Springfield PD", broker=broker, feed=feed)
    home = RequesterFolder.create(path, b"locked", settings)
    home.make_card(keys, hosts=["evidence.example.org"], contact="")
    return home


@pytest.fixture
def home(tmp_path: Path, mosquitto: Mosquitto, keys: Keys) -> RequesterFolder:
    broker = Broker(host=mosquitto.host, port=mosquitto.port)
    return make_home(tmp_path / "requester", keys, broker, Feed(topic=FEED))


@pytest.fixture
def ask(tmp_path: Path) -> Path:
    end = datetime.now(UTC) - timedelta(hours=1)
    path = tmp_path / "ask.yaml"
    path.write_text(
        "title: Bicycle theft\ntext: A red bicycle.\nincident: theft\nreference: '1'\n"
        "contact: 413 555 0100\nupload: https://evidence.example.org/files/\n"
        "around: {latitude: 42.1, longitude: -72.6, square_miles: 0.5}\n"
        f"window: {{from: {(end - timedelta(hours=1)).isoformat()}, to: {end.isoformat()}}}\n"
    )
    return path


def seen(home: RequesterFolder) -> dict[str, Received]:
    """Everything that a camera sees on the feed, by topic."""
    filters = (
        topics.request(FEED, topics.ANY),
        topics.alert(FEED, topics.ANY),
        topics.withdrawal(FEED, topics.ANY),
        topics.log_link(FEED, topics.ANY),
    )
    return {message.topic: message for message in retained(home.broker(), *filters)}


def posted(home: RequesterFolder, *arguments: str | Path) -> None:
    assert run(*map(str, arguments), "--json", "--home", str(home.path)) == 0


def test_posts_through_a_log_are_public_under_its_key(
    home: RequesterFolder, ask: Path, log: Path, tmp_path: Path, keys: Keys
) -> None:
    information = tmp_path / "alert.yaml"
    information.write_text(ALERT)
    posted(home, "post", ask, "--log", log)
    posted(home, "alert", information, "--log", log)
    posted(home, "post", ask, "--log", log)
    messages = seen(home)
    assert all(message.retained for message in messages.values())
    view = LogView(LogPolicy.pin(key_of(log)))
    links = [m for t, m in messages.items() if t.startswith(f"{FEED}/log/")]
    assert [message.topic for message in links] == [topics.log_link(FEED, n) for n in (1, 2)]
    for message in links:
        view = view.advance(message.payload)
    outcomes = []
    for message in messages.values():
        if message not in links:
            jws, proof = message.payload.split(b"\n", 1)
            view, outcome = view.check(jws, proof)
            outcomes.append(outcome)
    assert all(isinstance(outcome, Included) for outcome in outcomes) and len(outcomes) == 3
    assert max(view.heads) == 3


def test_the_requesters_settings_may_name_a_log(
    home: RequesterFolder, ask: Path, log: Path
) -> None:
    path = home.path / "requester.yaml"
    path.write_text(path.read_text().replace("\nlog: null\n", f"\nlog: {log}\n"))
    posted(home, "post", ask)
    with Log.open(log) as opened:
        assert len(opened) == 1


def test_a_post_is_signed_first_and_posted_with_another_logs_proof(
    home: RequesterFolder, ask: Path, log: Path, tmp_path: Path, keys: Keys
) -> None:
    """As with a log in production: sign, submit, fetch the proof, post."""
    signed, proof, link = (tmp_path / name for name in ("ask.jws", "ask.proof", "grown"))
    assert run("post", str(ask), "--sign-only", str(signed), "--home", str(home.path)) == 0
    assert seen(home) == {}
    with Log.open(log) as opened:
        opened.publish(b"somebody-elses-post")
        proof.write_text(opened.publish(signed.read_bytes()))
        link.write_text(opened.links()[1])
    posted(home, "post", signed, "--proof", proof, "--link", link)
    messages = seen(home)
    assert messages[topics.log_link(FEED, 1)].payload == link.read_bytes()
    (post,) = [m for t, m in messages.items() if "/requests/" in t]
    jws, lines = post.payload.split(b"\n", 1)
    assert jws == signed.read_bytes() and lines == proof.read_bytes()
    assert read_proof(lines, LogPolicy.pin(key_of(log))).holds(jws)


@pytest.mark.parametrize("proof", [b"", b"nonsense\n\n", b"x" * 9_000])
def test_a_proof_that_owners_would_refuse_is_not_posted(
    tmp_path: Path, mosquitto: Mosquitto, keys: Keys, ask: Path, log: Path, proof: bytes
) -> None:
    broker = Broker(host=mosquitto.host, port=mosquitto.port)
    home = make_home(tmp_path / "r", keys, broker, Feed(topic=FEED, log_key=key_of(log)))
    path = tmp_path / "proof"
    path.write_bytes(proof)
    with pytest.raises(NotPublic):
        run("post", str(ask), "--proof", str(path), "--home", str(home.path))
    with Log.open(log) as opened:
        path.write_text(opened.publish(b"another-post"))
    with pytest.raises(NotPublic, match="for another post"):
        run("post", str(ask), "--proof", str(path), "--home", str(home.path))
    with pytest.raises(ConfigError, match="accept only posts in its public log"):
        run("post", str(ask), "--home", str(home.path))
    assert seen(home) == {}


def test_a_malformed_link_is_not_posted(
    home: RequesterFolder, ask: Path, log: Path, tmp_path: Path
) -> None:
    signed, proof, link = (tmp_path / name for name in ("ask.jws", "ask.proof", "grown"))
    run("post", str(ask), "--sign-only", str(signed), "--home", str(home.path))
    with Log.open(log) as opened:
        proof.write_text(opened.publish(signed.read_bytes()))
    link.write_text("old #\n\n")
    more = ("--link", str(link), "--home", str(home.path))
    with pytest.raises(NotPublic, match="begins with"):
        run("post", str(signed), "--proof", str(proof), *more)
    with pytest.raises(ConfigError, match="belongs to --proof"):
        run("post", str(signed), *more)


def test_a_post_signed_by_another_key_is_not_sent(home: RequesterFolder, tmp_path: Path) -> None:
    other = Keys.generate()
    foreign = tmp_path / "foreign.jws"
    foreign.write_text(
        other.signing.sign(Withdrawal(iss=other.fingerprint, jti="A" * 22, iat=0, request="a" * 64))
    )
    with pytest.raises(UntrustedSignature):
        run("post", str(foreign), "--home", str(home.path))


def test_an_alert_has_an_area(home: RequesterFolder, tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "alert.yaml"
    path.write_text(ALERT)
    posted(home, "alert", path)
    (message,) = seen(home).values()
    alert = signing.verify(message.payload, Alert, {keys.fingerprint: keys.signing.public})
    assert message.topic == topics.alert(FEED, alert.jti)
    assert (alert.title, alert.exp - alert.iat) == ("Water main broken on Elm Street", 172_800)
    assert area.square_miles(alert.area) == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("open_days: 2", "title"),
        ("title: x\ntext: x", "around"),
        ("title: x\ntext: x\naround: {latitude: 1, longitude: 1, square_miles: 0.001}", "around: "),
        (ALERT.replace("open_days: 2", "open_days: 8"), "open_days: "),
        (ALERT + "window: {}\n", "window: unknown key"),
    ],
)
def test_an_alert_with_a_mistake_is_named_by_its_key(
    home: RequesterFolder, tmp_path: Path, line: str, named: str
) -> None:
    path = tmp_path / "alert.yaml"
    path.write_text(line)
    with pytest.raises(ConfigError) as caught:
        run("alert", str(path), "--home", str(home.path))
    assert named in str(caught.value) and str(caught.value).startswith(str(path))


def test_a_request_is_withdrawn_by_the_beginning_of_its_digest(
    home: RequesterFolder, ask: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    posted(home, "post", ask)
    digest = json.loads(capsys.readouterr().out)["digest"]
    with pytest.raises(Refused, match="--yes"):
        run("withdraw", digest[:8], "--home", str(home.path))
    posted(home, "withdraw", digest[:8], "--yes")
    (message,) = [m for t, m in seen(home).items() if "/withdrawals/" in t]
    withdrawal = signing.verify(
        message.payload, Withdrawal, {keys.fingerprint: keys.signing.public}
    )
    assert withdrawal.request == digest
    assert message.topic == topics.withdrawal(FEED, withdrawal.jti)
    mine = signing.digest(message.payload.decode())
    for nothing in ("", "zz", mine[:12]):  # a withdrawal cannot be withdrawn
        with pytest.raises(Refused, match="no request posted from here"):
            run("withdraw", nothing, "--yes", "--home", str(home.path))


def test_a_post_that_could_not_be_sent_can_be_sent_again(
    home: RequesterFolder, ask: Path, mosquitto: Mosquitto, log: Path
) -> None:
    mosquitto.stop()
    with pytest.raises(NetworkFault, match="is signed already") as caught:
        run("post", str(ask), "--log", str(log), "--home", str(home.path))
    (kept,) = (home.path / "posted").glob("*.jws")
    assert str(kept) in caught.value.advice
    mosquitto.start()
    posted(home, "post", kept, "--log", log)
    (message,) = seen(home).values()
    assert message.payload.split(b"\n")[0] == kept.read_bytes()
    with Log.open(log) as opened:
        assert len(opened) == 1


def test_a_small_log_is_created_once_and_prints_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "new")
    assert run("log", folder, "--name", "log.example/x", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"key": key_of(tmp_path / "new"), "entries": 0}
    assert run("log", folder) == 0
    assert f"feed.log_key: {told['key']}" in capsys.readouterr().out


def test_a_request_without_a_log_is_the_jws_alone(
    home: RequesterFolder, ask: Path, keys: Keys
) -> None:
    posted(home, "post", ask)
    (message,) = seen(home).values()
    signing.verify(message.payload, Request, {keys.fingerprint: keys.signing.public})


def test_a_fifth_request_in_a_day_is_warned_of_and_on_a_terminal_asked_about(
    home: RequesterFolder,
    ask: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(5):
        ask.write_text(ask.read_text().replace("reference: ", f"reference: {number}"))
        posted(home, "post", ask)
        warned = capsys.readouterr().err
        assert ("too-many-open" in warned) == (number >= 2)
        assert ("too-many-today" in warned) == (number >= 4)
    before = len(home.posted())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with pytest.raises(Refused, match="nothing was done"):
        run("post", str(ask), "--home", str(home.path))
    assert len(home.posted()) == before
    posted(home, "post", ask, "--yes")


def test_somebody_who_only_receives_needs_no_broker(
    tmp_path: Path, ask: Path, keys: Keys, log: Path
) -> None:
    home = RequesterFolder.create(tmp_path / "n", b"locked", Settings(name="Nina next door"))
    home.make_card(keys, hosts=["evidence.example.org"], contact="")
    with pytest.raises(ConfigError, match="no broker to post to"):
        run("post", str(ask), "--log", str(log), "--home", str(home.path))
    with Log.open(log) as opened:
        assert len(opened) == 0, "nothing was entered in the log"
    assert home.posted() == []
