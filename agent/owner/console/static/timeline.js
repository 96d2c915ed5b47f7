// The timeline: lists a day, loads the thumbnails of clips on the screen, plays a clip.

import { footage, notice } from "./footage.js";
import { job } from "./jobs.js";

const find = (id) => document.getElementById(id);
const words = find("words").dataset;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const GATHER_MS = 150; // clips that come onto the screen together are asked for together
const AT_ONCE = 60;

async function post(path, fields) {
  const answer = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  if (answer.status === 401) {
    location.reload(); // locked meanwhile: the guard asks for the passphrase
  }
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(said.error);
  }
  return said;
}

// List a day, then show it

async function list(day, place) {
  try {
    const begun = await post("/timeline/list", { day });
    const state = await job(begun.job, ({ done, total }) => {
      if (total) place.textContent = fill(words.counted, { count: done, total });
    });
    if (state.state === "done") {
      location.replace(location.href.split("#")[0]);
    } else {
      place.textContent = state.error;
    }
  } catch (error) {
    place.textContent = error.message;
  }
}

const listing = find("listing");
if (listing) {
  list(listing.dataset.day, listing);
}
const shown = find("times") ?? find("none");
if (shown) {
  const again = find("again");
  again.hidden = false;
  again.addEventListener("click", () => {
    const place = document.createElement("p");
    place.setAttribute("role", "status");
    again.replaceWith(place);
    list(shown.dataset.day, place);
  });
}

// Thumbnails

const buttons = [...document.querySelectorAll("[data-clip]")];
const byClip = new Map(buttons.map((button) => [button.dataset.clip, button]));
const waiting = new Set();
let timer = null;
let fetching = false;

function show(clip) {
  const image = new Image();
  const [device, id] = clip.split("/");
  image.alt = "";
  image.src = `/timeline/thumbnail/${encodeURIComponent(device)}/${id}.jpg`;
  byClip.get(clip)?.querySelector(".shot").replaceChildren(image);
}

async function load() {
  timer = null;
  if (fetching || !waiting.size) {
    return;
  }
  fetching = true;
  const batch = [...waiting].slice(-AT_ONCE); // what came onto the screen last comes first
  batch.forEach((clip) => waiting.delete(clip));
  try {
    const begun = await post("/timeline/thumbnails", batch.map((clip) => ["clip", clip]));
    const state = await job(begun.job);
    (state.said.shown ?? []).forEach(show);
  } catch {
    // without pictures the times are still there
  }
  fetching = false;
  load();
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !target.dataset.asked) {
        target.dataset.asked = "1";
        waiting.add(target.dataset.clip);
      }
    }
    timer ??= setTimeout(load, GATHER_MS);
  },
  { rootMargin: "200px" },
);
buttons.filter((button) => !button.disabled).forEach((button) => observer.observe(button));

// Go to a time

find("goto")?.addEventListener("change", ({ target }) => {
  const next = buttons.find((button) => button.dataset.time >= target.value);
  (next ?? buttons.at(-1))?.scrollIntoView({ block: "center" });
  (next ?? buttons.at(-1))?.focus();
});

// Choose

const boxes = () => [...document.querySelectorAll('input[name="clip"]:checked')];

function count() {
  find("number").textContent = fill(words.chosen, { count: boxes().length });
}

find("choice")?.addEventListener("change", count);
const share = find("share");
if (share) {
  share.hidden = false;
  share.addEventListener("click", () => {
    const chosen = boxes().map((box) => ["clips", box.value.split("/")[1]]);
    if (chosen.length) location.assign(`/share?${new URLSearchParams(chosen)}`);
  });
}

// Play

const player = find("player");
const video = find("video");
let playing = null; // the button of the clip in the player
let pictures = 0;

async function play(button) {
  playing?.removeAttribute("aria-current");
  playing = button;
  button.setAttribute("aria-current", "true");
  const [camera, clip] = button.dataset.clip.split("/");
  find("player-title").textContent = `${button.textContent.trim()} ${camera}`;
  find("choose").checked = boxOf(button).checked;
  find("download").hidden = true;
  find("state").textContent = "";
  video.removeAttribute("src");
  video.load();
  if (!player.open) {
    player.showModal();
  }
  try {
    const facts = await footage({ camera, clip }, ({ done, total }) => {
      if (playing === button && total) {
        find("state").textContent = fill(words.loading, { percent: Math.floor((100 * done) / total) });
      }
    });
    if (playing !== button) {
      return; // the next clip was chosen meanwhile
    }
    pictures = facts.count;
    find("state").textContent = facts.plays ? facts.pictures : words.strange;
    find("download").href = facts.src;
    find("download").download = `${clip}.mp4`;
    find("download").hidden = false;
    notice(video, facts);
    video.src = facts.src;
    await video.play().catch(() => {});
  } catch (error) {
    if (playing === button) find("state").textContent = error.message;
  }
}

const boxOf = (button) => button.parentElement.querySelector('input[name="clip"]');

function turn(step) {
  const able = buttons.filter((button) => !button.disabled);
  const next = able[able.indexOf(playing) + step];
  if (next) play(next);
}

function picture(step) {
  video.pause();
  if (video.duration && pictures) {
    video.currentTime += (step * video.duration) / pictures;
  }
}

function choose() {
  boxOf(playing).checked = find("choose").checked;
  count();
}

if (player) {
  buttons.forEach((button) => button.addEventListener("click", () => play(button)));
  find("close").addEventListener("click", () => player.close());
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("back").addEventListener("click", () => picture(-1));
  find("on").addEventListener("click", () => picture(1));
  find("choose").addEventListener("change", choose);
  player.addEventListener("close", () => {
    video.pause();
    playing?.focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "?") {
      if (!player.open) play(buttons.find((button) => !button.disabled));
      find("help").open = true;
    } else if (event.key === "j") {
      turn(1);
    } else if (event.key === "k") {
      turn(-1);
    } else if (player.open && (event.key === "," || event.key === ".")) {
      picture(event.key === "." ? 1 : -1);
    } else if (player.open && event.key === "x") {
      find("choose").checked = !find("choose").checked;
      choose();
    }
  });
}
