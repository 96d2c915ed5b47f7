"""URLs and paths of streams: no part of a password is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config.location import is_url, redacted, split

PIECES = st.text(st.sampled_from("aB1/?#@[]:%&=. \\\n") | st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("rtsp://me:pw@cam:554/a/b?user=me&pwd=pw#x", "rtsp://cam:554"),
        ("rtsp://me:p@w@cam/", "rtsp://cam"),
        ("rtsp://me:p[w@cam/main", "rtsp://cam"),
        ("rtsp://cam", "rtsp://cam"),
        ("rtsp://küche-1_a.lan:8554/pw", "rtsp://küche-1_a.lan:8554"),
        ("https://me:pw@[fe80::1%25eth0]:443/a", "https://[fe80::1%25eth0]:443"),
        ("http://cam?pwd=pw", "http://cam"),
        ("http://cam#pw", "http://cam"),
        ("rtsp://cam/user=admin&password=pw&channel=1&stream=0.sdp?real_stream", "rtsp://cam"),
        ("rtsp://cam/user=admin_password=pw_channel=1_stream=0.sdp", "rtsp://cam"),
        ("rtsp://cam/admin/pw/0", "rtsp://cam"),
        ("rtsp://cam/%70%77", "rtsp://cam"),
        ("/var/lib/x@y.mp4", "/var/lib/x@y.mp4"),
        ("/var/lib/a://b@c.mp4", "/var/lib/a://b@c.mp4"),
        ("file:/var/lib/x@y.mp4", "file:/var/lib/x@y.mp4"),
        ("walk 1.mp4", "walk 1.mp4"),
        ("192.0.2.10/admin/pw/0", "..."),
        ("192.0.2.10:554/user=admin&password=pw", "..."),
        ("//192.0.2.10/admin/pw/0", "..."),
        (" rtsp://admin:pw@cam/main", "..."),
    ],
)
def test_only_the_host_of_a_stream_and_the_path_of_a_file_are_shown(
    location: str, shown: str
) -> None:
    assert redacted(location) == shown
    assert is_url(location) == location.startswith(("rtsp", "http"))


@pytest.mark.parametrize(
    "location",
    [
        "rtsp://admin:pa/ss@192.0.2.10/main",
        "rtsp://admin:pa?ss@192.0.2.10/main",
        "rtsp://admin:pa#ss@192.0.2.10/main",
        "rtsp://admin:12/34@192.0.2.10/main",
        "rtsp://admin:p@ss/word@192.0.2.10/main",
        "rtsp://admin:pass",
        "rtsp://admin:pass/main",
        "rtsp:admin:pass@192.0.2.10/main",
        "rtsp:/admin:pass@192.0.2.10/main",
        "http://192.0.2.10/video?pwd=p@ss",
        "rtsp://192.0.2.10;pass/main",
        "rtsp://192.0.2.10&password=pass",
        "rtsp://192.0.2.10,pass",
        "rtsp://admin%3Apass%40192.0.2.10/main",
        "rtsp://192.0.2.10\\pass",
        "rtsp://192.0.2.10:554pass/",
        "rtsp://",
    ],
)
def test_nothing_is_shown_of_a_url_whose_host_is_not_clear(location: str) -> None:
    url = split(location)
    assert url is not None
    assert not url.is_clear
    assert redacted(location) == f"{location.partition(':')[0]}://..."
    assert "pass" not in repr(url)


@given(PIECES, PIECES, st.sampled_from(["192.0.2.10/main", "cam:554", "[::1]/a?b=c", ""]))
def test_nothing_before_the_last_at_is_ever_shown(before: str, after: str, host: str) -> None:
    location = f"rtsp://admin:{before}hunter2{after}@{host}"
    assert "hunter2" not in redacted(location)
    url = split(location)
    assert url is not None
    assert "hunter2" not in f"{url!r}"


@given(PIECES)
def test_nothing_behind_the_host_is_ever_shown(text: str) -> None:
    for mark in "/?#":
        location = f"rtsp://cam:554{mark}hunter2{text}"
        assert redacted(location) in ("rtsp://cam:554", "rtsp://...")


@given(PIECES)
def test_any_text_can_be_split(text: str) -> None:
    for location in (text, f"rtsp:{text}", f"https://{text}"):
        url = split(location)
        assert (url is not None) == is_url(location)
        if url is not None and "//" in location:
            login = f"{url.login}@" if url.login else ""
            assert f"{login}{url.host}{url.rest}" in location
        redacted(location)
