"""The files that the requester's tool prints to begin with are good to post."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
import yaml

from agent.cli import main as cli
from agent.consent.cards import RequesterCard
from agent.keyfile import Keys
from agent.requester.posts import alert_file as informing
from agent.requester.posts import request_file as posting

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


def test_the_example_of_a_request_is_signed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text, now = printed(capsys, "post"), datetime.now().astimezone()
    said = posting.parse(text, "request.yaml")
    assert timedelta(0) < now - said.window.end < timedelta(days=2)
    assert posting.sign(said, KEYS, CARD, name="request.yaml", now=now.timestamp())


def test_with_what_it_comments_out_it_is_a_courts_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = printed(capsys, "post")
    order = text[text.index("#kind:") :].replace("#", "")
    said = posting.parse(text + order, "request.yaml")
    assert said.order is not None and said.order.docket == "24-CV-1234"
    now = time.time()
    assert posting.sign(said, KEYS, CARD, name="request.yaml", now=now)


def test_the_example_of_an_alert_is_signed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "alert")
    assert set(yaml.safe_load(text)) == {"title", "text", "around", "open_days"}
    said = informing.parse(text, "alert.yaml")
    assert informing.sign_alert(said, KEYS, name="alert.yaml", now=time.time())
