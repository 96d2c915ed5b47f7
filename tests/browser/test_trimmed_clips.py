"""Trimmed clips in Chromium: each picture is found by seeking."""

from __future__ import annotations

import base64
from typing import Any, Final

import pytest

from tests.browser.chromium import Visitor
from tests.media.editing.test_exact_trim import trimmed
from tests.support.footage import RATE, record

CLIPS: Final[dict[str, dict[str, Any]]] = {
    "no B-pictures": {},
    "B-pictures, GOP 2 s": {"b_frames": 2, "keyframe_every": 20},
    "B-pyramid": {"b_frames": 3, "params": "b-pyramid=normal:ref=4"},
    "portrait, full range": {"full_range": True, "width": 180, "height": 322},
    "baseline": {"params": "cabac=0:8x8dct=0"},
}
FIRST, LAST = 7, 53  # pictures that lie within the trim
LOOK: Final = """async ([content, count, rate]) => {
  const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
  const video = document.querySelector("video");
  const drawing = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const loaded = new Promise(resolve => { video.onloadedmetadata = resolve; });
  video.src = URL.createObjectURL(new Blob([bytes], {type: "video/mp4"}));
  await loaded;
  const show = async number => {
    let about;
    do {
      const presented = new Promise(resolve =>
        video.requestVideoFrameCallback((_, metadata) => resolve(metadata)));
      video.currentTime = (number + 0.4 + Math.random() / 5) / rate;
      about = await presented;
    } while (Math.round(about.mediaTime * rate) !== number);
    drawing.drawImage(video, 0, 0, 40, 40, 0, 0, 40, 40);
    const pixels = drawing.getImageData(12, 12, 16, 16).data;
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 4) sum += pixels[at + 1];
    return (sum / 256 - 16) / 3;
  };
  const shown = [];
  for (let number = count - 1; number >= 0; number--) shown.unshift(await show(number));
  return shown;
}"""


@pytest.mark.parametrize("name", CLIPS)
def test_chromium_shows_every_picture_of_a_trimmed_clip(visitor: Visitor, name: str) -> None:
    content, pictures = trimmed(record(6, **CLIPS[name]), 0.65, 5.35)
    count = LAST - FIRST + 1
    assert pictures.pictures == count
    visitor.page.set_content("<video muted width=320 height=180></video>")
    shown = visitor.page.evaluate(LOOK, [base64.b64encode(content).decode(), count, RATE])
    assert len(shown) == count
    assert all(abs(one - number) < 1 for number, one in enumerate(shown, FIRST)), shown
