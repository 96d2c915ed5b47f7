"""The desktop's notifications, by the real ``notify-send`` on a session bus of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.peers.requirements import ROOT, missing, need, program

TOLD = "A <b>x</b> & \\n y\\ \\\\z\n“Thëft” --help"
TELL = """
import sys
from agent.owner.watch.channels.desktop import Desktop
from agent.owner.watch.household import Message
Desktop().tell(Message("front-door", "legal-order", sys.argv[1], True))
Desktop().tell(Message("", "broker", "The broker can be reached again", False))
"""
DEBIANS_PYTHON = "/usr/bin/python3"


def test_a_real_notify_send_shows_markup_and_backslashes_as_they_are(tmp_path: Path) -> None:
    need("notify-send", "dbus-run-session")
    has_gi = [DEBIANS_PYTHON, "-c", "from gi.repository import Gio"]
    if subprocess.run(has_gi, capture_output=True, check=False).returncode:
        missing("PyGObject is not installed", "apt-get install python3-gi")
    script = tmp_path / "session"
    script.write_text(
        f'{DEBIANS_PYTHON} "$1" >shown & desktop=$!\n'
        "until grep -q ready shown; do kill -0 $desktop && sleep 0.05 || exit 1; done\n"
        'cd "$2"; "$3" -c "$4" "$5"; code=$?; kill $desktop; exit $code\n'
    )
    service = str(ROOT / "tests/peers/desktop_bus.py")
    words = [service, str(ROOT), sys.executable, TELL, TOLD]
    subprocess.run(
        [program("dbus-run-session"), "--", "/bin/sh", str(script), *words],
        cwd=tmp_path,
        check=True,
        timeout=120,
    )
    first, second = map(json.loads, (tmp_path / "shown").read_text().splitlines()[1:])
    body = "A &lt;b&gt;x&lt;/b&gt; &amp; \\n y\\ \\\\z\n“Thëft” --help"
    assert (first[0], first[3], first[4]) == ("clip-agent", "front-door", body)
    assert (second[3], second[4]) == ("clip-agent", "The broker can be reached again")
    assert (first[6]["urgency"], second[6]["urgency"]) == (2, 1)
