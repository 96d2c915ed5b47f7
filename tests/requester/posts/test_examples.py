"""The templates that the requester's tool prints can be posted as they are."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
import yaml

from agent.cli import main as cli
from agent.consent.cards import RequesterCard
from agent.keyfile import Keys
from agent.requester.posts.alert_file import AlertFile
from agent.requester.posts.request_file import RequestFile

KEYS = Keys.generate()
CARD = RequesterCard(
    role="requester",
    name="Springfield Police Department",
    sign=KEYS.signing.public.text,
    seal=KEYS.recipient,
    upload_hosts=("evidence.example.org",),
)


def printed(capsys: pytest.CaptureFixture[str], command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main(["requester", command, "--example"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_example_request_can_be_signed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    text, now = printed(capsys, "post"), datetime.now().astimezone()
    said = RequestFile.parse(text, "request.yaml")
    assert timedelta(0) < now - said.window.end < timedelta(days=2)
    assert said.sign(KEYS, CARD, name="request.yaml", now=now.timestamp())


def test_with_its_commented_lines_it_is_a_legal_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, "post")
    order = text[text.index("#kind:") :].replace("#", "")
    said = RequestFile.parse(text + order, "request.yaml")
    assert said.order is not None and said.order.docket == "24-CV-1234"
    now = time.time()
    assert said.sign(KEYS, CARD, name="request.yaml", now=now)


def test_the_example_alert_can_be_signed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "alert")
    assert set(yaml.safe_load(text)) == {"title", "text", "around", "open_days"}
    said = AlertFile.parse(text, "alert.yaml")
    assert said.sign(KEYS, CARD, name="alert.yaml", now=time.time())
