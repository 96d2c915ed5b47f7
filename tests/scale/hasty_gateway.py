"""The real gateway, whose hour between two renewals of its subscriptions is ten seconds."""

from __future__ import annotations

import sys
from unittest import mock

from agent.cli import main as cli
from agent.mqtt import connection

if __name__ == "__main__":
    mock.patch.object(connection, "_RENEW_SECONDS", 10.0).start()
    sys.exit(cli.main(sys.argv[1:]))
