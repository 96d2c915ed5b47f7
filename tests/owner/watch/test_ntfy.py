"""Push messages, by Debian 13's own ntfy server and by servers that misbehave."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import ConfigError, NetworkFault
from agent.owner.watch.channels import ntfy
from agent.owner.watch.channels.ntfy import Ntfy
from agent.owner.watch.household import Message
from tests.owner.watch.conftest import Home, item
from tests.owner.watch.test_watcher import bring, watching
from tests.peers import ntfy as peer
from tests.peers.process import free_port

WAITS = Message("front-door", "request", "A request waits, until Friday 18:00\n“Thëft”, PD", False)
ORDER = Message("front-door", "legal-order", "A LEGAL ORDER waits", True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peer.Ntfy]:
    with peer.Ntfy(tmp_path_factory.mktemp("ntfy")) as running:
        yield running


def test_a_real_server_gets_title_text_and_priority(server: peer.Ntfy) -> None:
    channel = Ntfy(server.url("home-1"), token=server.token)
    channel.tell(WAITS)
    channel.tell(ORDER)
    first, second = server.messages("home-1")
    assert (first["title"], first["message"]) == ("front-door", WAITS.text)
    assert (first.get("priority", 3), second["priority"]) == (3, 4)
    assert (first["tags"], second["tags"]) == (["inbox_tray"], ["scales"])


def test_a_real_server_that_was_away_gets_each_message_once(tmp_path: Path, house: Home) -> None:
    away = peer.Ntfy(tmp_path / "ntfy")
    channel = Ntfy(away.url("home"), token=away.token)
    link, watcher = watching(house, channel)  # type: ignore[arg-type]
    bring(link, house, house.front, 1)
    watcher.step()
    with away:
        for _ in range(3):
            house.clock.advance(60)
            watcher.step()
        house.begin()
        house.connect()
        house.says(house.front, item(1))
        assert [one["message"] for one in away.messages("home")] == ["A request waits"]


@pytest.mark.parametrize("token", ["", "tk_not_a_token_of_this_server_00"])
def test_a_real_server_refuses_a_topic_without_a_right(server: peer.Ntfy, token: str) -> None:
    with pytest.raises(NetworkFault, match="does not let us write to home"):
        Ntfy(server.url("home"), token=token).tell(WAITS)
    with pytest.raises(NetworkFault, match="does not let us write to elsewhere"):
        Ntfy(server.url("elsewhere"), token=server.token).tell(WAITS)


@pytest.mark.parametrize(
    "url",
    [
        "http://ntfy.example/home",
        "http://192.168.1.4/home",
        "http://localhost.example/home",
        "https://ntfy.example",
        "https://ntfy.example/",
        "https://ntfy.example/a/b",
        "https://ntfy.example/home?auth=x",
        "https://user:secret@ntfy.example/home",
        "https://NTFY.example/home",
        "ntfy.example/home",
        "file:///etc/passwd",
        "https://ntfy.example/hö",
        "",
    ],
)
def test_a_url_that_others_could_read_or_that_names_no_topic_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--ntfy"):
        Ntfy(url)


def test_a_token_is_read_from_a_file_and_must_be_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for text in ("", "\n", "a token\n", "tök\n"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="is no token"):
            ntfy.load("https://ntfy.example/home", file, None)
    file.write_text("tk_abc\n")
    assert ntfy.load("https://ntfy.example/home", file, None)


@contextmanager
def answering(
    status: int, location: str = "", body: bytes = b""
) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything so; yields its port and the paths that were asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_gets_no_token(status: int) -> None:
    with answering(200) as (elsewhere, asked):
        target = f"http://127.0.0.1:{elsewhere}/home"
        with (
            answering(status, target) as (port, _),
            pytest.raises(NetworkFault, match=f"HTTP {status}"),
        ):
            Ntfy(f"http://127.0.0.1:{port}/home", token="secret").tell(WAITS)
        assert asked == []


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 507])
def test_any_other_answer_is_tried_again_later(status: int) -> None:
    with answering(status, body=b"x" * 100_000) as (port, _), pytest.raises(NetworkFault):
        Ntfy(f"http://127.0.0.1:{port}/home").tell(WAITS)


def test_a_server_that_is_away_is_a_fault_that_may_pass() -> None:
    with pytest.raises(NetworkFault, match="cannot be reached"):
        Ntfy(f"http://127.0.0.1:{free_port()}/home").tell(WAITS)
