"""``README.txt`` of a bundle: its contents in words, and commands to verify it with stock tools.

``tests/gateway/release/bundle/test_readme.py`` runs these commands as printed. The file lies below
``data/``, so ``release.jws`` names its digest and the device signs for it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from agent import release_text
from agent.consent.cards import PublicKey, format_fingerprint
from agent.consent.statements import Disclosure, ReleasedClip

_WIDTH: Final = 78

_HEAD = """\
CLIPS FROM A CAMERA, RELEASED BY THEIR OWNER

{about}

{clips}

{disclosed}

WHAT IS HERE

{files}

WHOSE KEYS SIGNED

{keys}

{unknown}

HOW TO VERIFY IT

You need a shell, coreutils, age, tar, and OpenSSL 1.1.1 or newer. The sealed file opens
with your key file, which asks for its passphrase:

    age -d -i requester.age {stem}.age | tar x
    cd release-{stem}

All files are as listed; both lists are complete if no file is missing or left over:

    sha256sum --check --strict --quiet tagmanifest-sha256.txt manifest-sha256.txt

Each signature holds; every line says "Signature Verified Successfully":

    verify() {{
        folder=$(mktemp -d)
        {{
            echo '-----BEGIN PUBLIC KEY-----'
            echo "MCowBQYDK2VwAyEA$(printf %s "$2" | tr _- /+)="
            echo '-----END PUBLIC KEY-----'
        }} > "$folder/key"
        printf %s "$(cut -d. -f1,2 "$1")" > "$folder/text"
        {{ cut -d. -f3 "$1" | tr -d '\\n' | tr _- /+; echo ==; }} | base64 -d > "$folder/signature"
        openssl pkeyutl -verify -pubin -inkey "$folder/key" -rawin -in "$folder/text" \\
            -sigfile "$folder/signature"
        result=$?
        rm -r "$folder"
        return $result
    }}
{verify}

What was signed is readable. The release names the digests of the other files; "approval"
and "request" in it are those of the two statements, as sha256sum prints them:

    show() {{
        text=$(cut -d. -f2 "$1" | tr _- /+)
        while [ $((${{#text}} % 4)) -ne 0 ]; do text="$text="; done
        printf %s "$text" | base64 -d
        echo
    }}
{show}

`clip-agent requester open {stem}.age` does all of this and checks more: that the
clips are exactly those that the owner approved.
"""

_UNKNOWN = """\
Anybody can make keys. That these keys signed proves who released the clips only if you
know whose they are: compare the fingerprints with those that the owner shows you.
"""

_MEANING = {
    "request.jws": "your request, as you posted it",
    "approval.jws": "the owner's approval of these clips for this request",
    "approval-2.jws": "the same by a second owner",
    "share.jws": "the owner's decision to share these clips with you",
    "share-2.jws": "the same by a second owner",
    "release.jws": "the camera's list of all this, with times and digests",
}


def readme(
    stem: str,
    *,
    title: str,
    clips: Sequence[ReleasedClip],
    disclosed: Disclosure,
    signers: Sequence[tuple[str, str, PublicKey]],
) -> str:
    """The text for the bundle ``<stem>.age``.

    ``title`` names the request, and is empty for a share. ``signers`` are the statements: for each
    its file below ``data/``, who signed it, and with which key.
    """
    about = "The owner of a camera shares these clips with you alone. You had not asked for them."
    if title:
        about = (
            "The owner of a camera released these clips to you alone, in answer to your request"
            f" {title}."
        )
    files = {"*.mp4": "the clips", **{name: _MEANING[name] for name, _, _ in signers}}
    keys = {who: key for _, who, key in signers}
    return _HEAD.format(
        stem=stem,
        about=_wrapped(about),
        clips="\n".join(line for clip in clips for line in release_text.clip_lines(clip)),
        disclosed="\n".join(release_text.disclosed_lines(disclosed)),
        files="\n".join(f"data/{name:<16} {meaning}" for name, meaning in files.items()),
        keys="\n".join(f"{who}:\n  {format_fingerprint(keys[who].fingerprint)}" for who in keys),
        unknown=_wrapped(_UNKNOWN),
        verify="\n".join(f"    verify data/{name} {key.text}" for name, _, key in signers),
        show="\n".join(
            [*(f"    show data/{name}" for name, _, _ in signers), "    sha256sum data/*.jws"]
        ),
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH)
