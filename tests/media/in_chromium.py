"""Trimmed clips in Chromium, which is not part of ``make test``: does it show every picture?

python -m tests.media.in_chromium

A page seeks to each picture and reads its number from a canvas, then plays the clip and counts the
pictures that were presented. Needs ``chromium``; exit code 1 if a picture was missed.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

from tests.media.editing.test_exact_trim import trimmed
from tests.support.footage import RATE, record

CLIPS: Final[dict[str, dict[str, Any]]] = {
    "no B-pictures": {},
    "B-pictures, GOP 2 s": {"b_frames": 2, "keyframe_every": 20},
    "B-pyramid": {"b_frames": 3, "params": "b-pyramid=normal:ref=4"},
    "portrait, full range": {"full_range": True, "width": 180, "height": 322},
    "baseline": {"params": "cabac=0:8x8dct=0"},
}
_TRIM: Final = (0.65, 5.35)
_EXPECTED: Final = list(range(7, 54))
_PATIENCE_SECONDS: Final = 120
_PAGE: Final = """<!doctype html><video id=v muted></video><script>
const content = Uint8Array.from(atob("%s"), c => c.charCodeAt(0));
const canvas = document.createElement("canvas"), video = document.getElementById("v");
const drawing = canvas.getContext("2d", {willReadFrequently: true});
const tell = text => fetch("/", {method: "POST", body: text});
const seek = async time => {
  video.currentTime = time;
  await new Promise(resolve => video.onseeked = resolve);
};
const number = () => {
  drawing.drawImage(video, 0, 0, 40, 40, 0, 0, 40, 40);
  const pixels = drawing.getImageData(12, 12, 16, 16).data;
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 4) sum += pixels[at + 1];
  return (sum / 256 - 16) / 3;
};
video.onerror = () => tell(JSON.stringify({error: video.error.message}));
video.onloadedmetadata = async () => {
  const shown = [], played = new Set([0]);
  for (let at = 0; at < %d; at++) {
    await seek((at + 0.5) / %d);
    await new Promise(resolve => setTimeout(resolve, 30));
    shown.push(number());
  }
  await seek(0);
  const presented = (_, about) => {
    played.add(Math.round(about.mediaTime * %d));
    video.requestVideoFrameCallback(presented);
  };
  video.requestVideoFrameCallback(presented);
  video.onended = () => tell(JSON.stringify({shown, played: played.size}));
  video.play();
};
video.src = URL.createObjectURL(new Blob([content], {type: "video/mp4"}));
</script>"""


class _Server(HTTPServer):
    """Serves one page, and keeps what the page posts."""

    page = b""
    told: dict[str, Any] | None = None
    timeout = _PATIENCE_SECONDS

    def handle_timeout(self) -> None:
        """Give up."""
        self.told = {"error": f"nothing for {_PATIENCE_SECONDS} s"}


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer(self.server.page)

    def do_POST(self) -> None:
        self.server.told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def play(content: bytes, pictures: int) -> dict[str, Any]:
    """The answer of Chromium about a clip: ``shown``, ``played``, or ``error``."""
    with _Server(("127.0.0.1", 0), _Handler) as server, tempfile.TemporaryDirectory() as profile:
        encoded = base64.b64encode(content).decode()
        server.page = (_PAGE % (encoded, pictures, RATE, RATE)).encode()
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--autoplay-policy=no-user-gesture-required", f"--user-data-dir={profile}"]
        browser = subprocess.Popen(
            [*command, f"http://127.0.0.1:{server.server_port}/"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while server.told is None and browser.poll() is None:
                server.handle_request()
        finally:
            browser.terminate()
            browser.wait()
        return server.told or {"error": "Chromium ended"}


def main() -> int:
    """Play all clips; 1 if a picture of one was missed."""
    missed = 0
    for name, parameters in CLIPS.items():
        content, pictures = trimmed(record(6, **parameters), *_TRIM)
        told = play(content, pictures.pictures)
        shown = told.get("shown", [])
        right = sum(
            abs(one - expected) < 1 for one, expected in zip(shown, _EXPECTED, strict=False)
        )
        sys.stdout.write(
            f"{name}: {len(_EXPECTED)} pictures, {pictures.encoded} encoded again; by seeking "
            f"{right}, played {told.get('played', 0)} {told.get('error', '')}\n"
        )
        missed += (right, told.get("played")) != (len(_EXPECTED), len(_EXPECTED))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
