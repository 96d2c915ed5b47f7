// The page of a request: fetches the thumbnails of its clips, and shows them.

import { job } from "./jobs.js";

const list = document.querySelector("[data-thumbnails]");

function show(name) {
  const place = list.querySelector(`[data-clip="${CSS.escape(name)}"]`);
  const image = new Image();
  image.alt = "";
  image.src = `${list.dataset.thumbnails}/${name}.jpg`;
  place?.replaceChildren(image);
}

async function load() {
  const answer = await fetch(list.dataset.thumbnails, { method: "POST", body: new URLSearchParams() });
  if (!answer.ok) {
    return; // without pictures the times are still there
  }
  const state = await job((await answer.json()).job);
  (state.said.shown ?? []).forEach(show);
}

if (list) {
  load().catch(() => {});
}
