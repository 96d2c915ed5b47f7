"""A desktop's notifications on a session bus: prints each call of Notify as a line of JSON.

Run by Debian's own Python, which has PyGObject (:mod:`tests.owner.watch.test_desktop`).
"""

import json
import sys
from typing import Any

from gi.repository import Gio, GLib

NAME = "org.freedesktop.Notifications"
METHODS = {"Notify": ("susssasa{sv}i", "u"), "GetCapabilities": ("", "as")}
METHODS["GetServerInformation"] = ("", "ssss")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def arguments(types: str, direction: str) -> str:
    found, rest = [], types
    while rest:
        kind = next(one for one in ("a{sv}", "as", rest[0]) if rest.startswith(one))
        found.append(f'<arg type="{kind}" direction="{direction}"/>')
        rest = rest.removeprefix(kind)
    return "".join(found)


def call(*parts: Any) -> None:
    _, _, _, _, method, given, invocation = parts
    match method:
        case "Notify":
            say(json.dumps(given.unpack()))
            invocation.return_value(GLib.Variant("(u)", (1,)))
        case "GetCapabilities":
            invocation.return_value(GLib.Variant("(as)", (["body", "body-markup"],)))
        case _:
            invocation.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))


def offer(connection: Any, _: str) -> None:
    methods = "".join(
        f'<method name="{name}">{arguments(given, "in")}{arguments(back, "out")}</method>'
        for name, (given, back) in METHODS.items()
    )
    node = Gio.DBusNodeInfo.new_for_xml(
        f'<node><interface name="{NAME}">{methods}</interface></node>'
    )
    connection.register_object(
        "/org/freedesktop/Notifications", node.interfaces[0], call, None, None
    )


def ready(*_: object) -> None:
    say("ready")


Gio.bus_own_name(Gio.BusType.SESSION, NAME, Gio.BusNameOwnerFlags.NONE, offer, ready, None)
GLib.MainLoop().run()
