"""Challenges and answers of RFC 7616 and its like, with the RFC's own examples."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.camera.sources.network.rtsp.digest import (
    Answer,
    Challenge,
    Login,
    choose,
    is_ffmpegs,
    parse,
    parse_all,
)

MUFASA = Login("Mufasa", "Circle of Life")
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={},'
    ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(
    monkeypatch: pytest.MonkeyPatch, algorithm: str, response: str
) -> None:
    nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(secrets, "token_hex", lambda _: nonce)
    (challenge,) = parse(RFC_7616.format(algorithm))
    said = parse(Answer(challenge, MUFASA).header("GET", "/dir/index.html"))[0].parameters
    assert said["response"] == response
    assert (said["nc"], said["qop"], said["cnonce"]) == ("00000001", "auth", nonce)
    assert said["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_the_example_of_rfc_2617_and_2069_has_no_quality_of_protection() -> None:
    (challenge,) = parse(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    header = Answer(challenge, Login("Mufasa", "CircleOfLife")).header("GET", "/dir/index.html")
    said = parse(header)[0].parameters
    assert said["response"] == "1949323746fe6a43ef61f9606e7febea"  # RFC 2069's errata
    assert {"qop", "nc", "cnonce", "algorithm"}.isdisjoint(said)


def test_each_request_counts_on() -> None:
    answer = Answer(parse(RFC_7616.format("SHA-256"))[0], MUFASA)
    counts = [parse(answer.header("GET", "/"))[0].parameters["nc"] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]


def test_one_header_may_hold_several_challenges() -> None:
    header = 'Newauth realm="apps, and, more", type=1, title="a \\"b\\"", '
    header += 'Basic realm="simple",,Negotiate'
    assert parse(header) == [
        Challenge("newauth", {"realm": "apps, and, more", "type": "1", "title": 'a \\"b\\"'}),
        Challenge("basic", {"realm": "simple"}),
        Challenge("negotiate"),
    ]


MD5 = 'Digest realm="c", nonce="n"'
SHA = 'Digest realm="c", nonce="n", algorithm=SHA-256'
OTHER = 'Digest realm="c", nonce="n", algorithm="SHA3-512"'
BASIC = 'Basic realm="c"'


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        ([MD5], "MD5"),
        ([SHA, MD5], "SHA-256"),
        ([MD5, SHA], "SHA-256"),
        ([f"{MD5}, {SHA}"], "SHA-256"),
        ([BASIC, MD5], "MD5"),
        ([f"{BASIC}, {MD5}"], "MD5"),
        ([OTHER, MD5], "MD5"),
        ([SHA.replace("256", "512-256"), MD5], "MD5"),
        ([OTHER, f"{BASIC}, {SHA}-sess"], "SHA-256-SESS"),
        ([SHA.lower()], "SHA-256"),
    ],
)
def test_the_strongest_digest_is_chosen_in_any_order(headers: list[str], algorithm: str) -> None:
    best = choose(parse_all(headers))
    assert best is not None
    assert (best.scheme, best.algorithm) == ("digest", algorithm)


def test_basic_is_chosen_only_where_no_digest_is_offered_at_all() -> None:
    assert choose(parse(BASIC)) == Challenge("basic", {"realm": "c"})
    for headers in (
        [BASIC, OTHER],
        [OTHER, BASIC],
        [f"{BASIC}, {OTHER}"],
        ['Digest realm="c"', BASIC],
    ):
        assert choose(parse_all(headers)) is None


@pytest.mark.parametrize(
    "headers", [[], [MD5], [BASIC], [BASIC, MD5], [SHA, MD5], [f"{MD5}, qop=auth"]]
)
def test_ffmpeg_keeps_the_logins_that_it_knows(headers: list[str]) -> None:
    assert is_ffmpegs(headers)


@pytest.mark.parametrize(
    "headers",
    [
        [SHA],
        [MD5, SHA],
        [f"{BASIC}, {MD5}"],
        [f"{MD5}, {SHA}"],
        [BASIC, OTHER],
        [f'{MD5}, qop="auth-int"'],
        ["?"],
    ],
)
def test_ffmpeg_gets_no_login_that_it_fails_or_sends_in_the_clear(headers: list[str]) -> None:
    assert not is_ffmpegs(headers)


@given(st.text())
def test_any_header_parses(header: str) -> None:
    for each in parse(header):
        assert each.scheme
    choose(parse(header))
    is_ffmpegs([header])


TOKENS = st.text(st.sampled_from("abcxyz-"), min_size=1, max_size=8).filter(lambda t: t[0] != "-")
VALUES = st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs", "Cc"]))


@given(st.lists(st.tuples(TOKENS, st.dictionaries(TOKENS, VALUES, min_size=1)), min_size=1))
def test_written_challenges_are_read_as_they_were(
    challenges: list[tuple[str, dict[str, str]]],
) -> None:
    header = ", ".join(
        f"{scheme} " + ", ".join(f'{key}="{value}"' for key, value in parameters.items())
        for scheme, parameters in challenges
    )
    assert parse(header) == [Challenge(*each) for each in challenges]


def test_a_login_prints_without_its_secrets() -> None:
    assert "Circle" not in repr(MUFASA)
    assert "Mufasa" not in repr(MUFASA)
