"""A real Home Assistant in the root that ``tests/homeassistant/build`` made.

>>> home = HomeAssistant(tmp_path, root)
>>> home.start(); home.onboard(); home.connect(broker, user="homeassistant", password="...")
>>> home.wait("binary_sensor.front_door_motion", "on")

Its API is spoken with the standard library. A :class:`Phone` receives what it pushes.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.peers.process import Peer, free_port
from tests.peers.requirements import ROOT

T = TypeVar("T")

PATIENCE_SECONDS = 240.0
_SETTINGS = """\
homeassistant: {{unit_system: metric, time_zone: UTC}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
config:
mobile_app:
automation: !include automations.yaml
logger: {{default: warning}}
"""


def until(what: str, found: Callable[[], T | None]) -> T:
    """The result of ``found`` as soon as it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.1)
    return result


class Phone:
    """A phone's push service on loopback, which keeps what it is sent."""

    def __init__(self) -> None:
        self.pushed: list[dict[str, Any]] = []
        phone = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                phone.pushed.append(
                    json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                )
                limits = {
                    "attempts": 1, "successful": 1, "errors": 0, "total": 1, "maximum": 500,
                    "remaining": 499, "resetsAt": "2099-01-01T00:00:00.000Z",
                }  # fmt: skip
                answer = json.dumps({"rateLimits": limits}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """The test looks at ``pushed``."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/push"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def messages(self) -> list[str]:
        return [one["message"] for one in self.pushed]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class HomeAssistant:
    """One installation in ``folder``."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder / "config", root
        self._folder.mkdir(parents=True)
        self._peer = Peer(folder / "hass.log")
        self._port = free_port()
        self._base = f"http://127.0.0.1:{self._port}"
        self._token = ""
        (self._folder / "configuration.yaml").write_text(_SETTINGS.format(port=self._port))
        (self._folder / "automations.yaml").write_text("[]")

    # Its life

    def start(self) -> None:
        bind = ["--bind", f"{self._folder}:/config:rw"]
        enter = [str(ROOT / "tests/pi/enter"), "--network", *bind, str(self._root)]
        self._peer.start([*enter, "hass", "--skip-pip", "--config", "/config"])
        until("Home Assistant", self._answers)

    def stop(self) -> None:
        self._peer.terminate()

    def restart(self) -> None:
        self.stop()
        self.start()

    def complaints(self, *about: str) -> list[str]:
        """The warnings and errors in the log of this run whose line names one of ``about``."""
        return [
            line
            for line in self._peer.output().splitlines()
            if (" WARNING " in line or " ERROR " in line) and any(word in line for word in about)
        ]

    # Its owner's first steps

    def onboard(self) -> None:
        """Make the first user. The other steps of the onboarding want the internet."""
        client = f"{self._base}/"
        user = self._call(
            "/api/onboarding/users",
            {
                "client_id": client, "name": "Olive", "username": "olive",
                "password": "correct horse battery", "language": "en",
            },
        )  # fmt: skip
        grant = {
            "client_id": client, "grant_type": "authorization_code", "code": user["auth_code"],
        }  # fmt: skip
        self._token = self._call("/auth/token", grant, form=True)["access_token"]

    def connect(self, port: int, *, user: str, password: str) -> None:
        """Add the MQTT integration."""
        flows = "/api/config/config_entries/flow"
        flow = self._call(flows, {"handler": "mqtt", "show_advanced_options": False})
        where = f"{flows}/{flow['flow_id']}"
        if flow["type"] == "menu":
            flow = self._call(where, {"next_step_id": "broker"})
        broker: dict[str, Any] = {
            "broker": "127.0.0.1", "port": port, "username": user, "password": password,
        }  # fmt: skip

        def is_made() -> bool:  # on a busy machine it gives up after five seconds
            return bool(self._call(where, broker)["type"] == "create_entry")

        until("the MQTT integration", is_made)

    def pair(self, phone: Phone) -> None:
        """Register the companion app of a phone called Phone."""
        self._call(
            "/api/mobile_app/registrations",
            {
                "device_id": "phone", "app_id": "test", "app_name": "Test", "app_version": "1",
                "device_name": "Phone", "manufacturer": "x", "model": "y", "os_name": "z",
                "os_version": "1", "supports_encryption": False,
                "app_data": {"push_token": "t", "push_url": phone.url},
            },
        )  # fmt: skip

    def automate(self, text: str) -> None:
        """Take over an automations.yaml, until all of it is at work."""
        (self._folder / "automations.yaml").write_text(text)
        self._call("/api/services/automation/reload", {})
        count = text.count("- id:")

        def are_at_work() -> bool:
            found = [one for one in self._call("/api/states") if "automation." in one["entity_id"]]
            return [one["state"] for one in found] == ["on"] * count

        until("the automations", are_at_work)

    # Entities

    def states(self) -> dict[str, dict[str, Any]]:
        """All entities of the camera that is called front-door."""
        found = self._call("/api/states")
        return {one["entity_id"]: one for one in found if ".front_door" in one["entity_id"]}

    def state(self, entity: str) -> str | None:
        """The state of ``entity``; None if it is not there."""
        found = self.states().get(entity)
        return None if found is None else str(found["state"])

    def wait(self, entity: str, state: str) -> None:
        """Until ``entity`` is in ``state``."""

        def is_there() -> bool:
            return self.state(entity) == state

        until(f"{entity} {state}", is_there)

    def act(self, service: str, entity: str) -> None:
        """Call a service on an entity, as a tap on a dashboard does."""
        self._call(f"/api/services/{service}", {"entity_id": entity})

    def _answers(self) -> bool:
        try:
            self._call("/api/onboarding")
        except urllib.error.HTTPError as error:  # the onboarding is over
            return error.code in (401, 404)
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _call(self, path: str, data: Mapping[str, Any] | None = None, *, form: bool = False) -> Any:
        headers, body = {}, None
        if data is not None:
            body = (urllib.parse.urlencode(data) if form else json.dumps(data)).encode()
            headers["Content-Type"] = f"application/{'x-www-form-urlencoded' if form else 'json'}"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._base + path, body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
