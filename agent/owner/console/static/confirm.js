// The last page: shows each clip as it would leave, and says at once that it was seen. The page's plan
// is another one then, so its facts and its digest are replaced together.

import { footage, notice } from "./footage.js";
import { job } from "./jobs.js";

const words = document.getElementById("words").dataset;
const form = document.getElementById("sign");
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function described(line) {
  const place = document.createElement(line.weight === "plain" ? "span" : "strong");
  place.className = line.weight === "careful" ? "warning" : "";
  place.textContent = line.text;
  return place;
}

function rows(fact) {
  const [label, value] = [document.createElement("dt"), document.createElement("dd")];
  label.textContent = fact.label;
  value.className = "text";
  value.append(
    ...fact.lines.flatMap((line, place) => [...(place ? [document.createElement("br")] : []), described(line)]),
  );
  return [label, value];
}

async function refresh() {
  const draft = form.elements.draft.value;
  const answer = await fetch("/decide/facts", { method: "POST", body: new URLSearchParams({ draft }) });
  if (!answer.ok) {
    return; // signing shows what is wrong
  }
  const said = await answer.json();
  document.querySelectorAll(".part").forEach((part, place) => {
    part.querySelector("dl").replaceChildren(...said.parts[place].flatMap(rows));
  });
  form.elements.plan.value = said.plan;
}

async function see(place) {
  const [button, told, video] = ["button", ".told", "video"].map((one) => place.querySelector(one));
  button.disabled = true;
  told.textContent = words.loading;
  try {
    const facts = await footage({ ...place.dataset, draft: form.elements.draft.value });
    told.textContent = facts.plays ? fill(words.rendered, facts) : words.unplayable;
    notice(video, facts, refresh);
    video.src = facts.src;
    video.hidden = false;
    await video.play();
  } catch (error) {
    told.textContent = error.message;
    button.disabled = false;
  }
}

for (const place of document.querySelectorAll(".see")) {
  const button = place.querySelector("button");
  button.addEventListener("click", () => see(place));
  button.hidden = false;
}

// Files for a website's form

async function takeOut(portal) {
  const [button, told] = [portal.querySelector("button"), portal.querySelector(".told")];
  button.disabled = true;
  told.textContent = words.making;
  try {
    const body = new URLSearchParams(new FormData(portal));
    const answer = await fetch("/decide/portal", { method: "POST", body });
    const begun = await answer.json();
    const state = answer.ok ? await job(begun.job) : begun;
    if (state.state !== "done") {
      throw new Error(state.error);
    }
    told.textContent = words.made;
    location.assign(state.said.src); // a download: the page stays
  } catch (error) {
    told.textContent = error.message;
  }
  button.disabled = false;
}

const portal = document.getElementById("portal");
if (portal) {
  portal.querySelector("button").disabled = false;
  portal.addEventListener("submit", (event) => {
    event.preventDefault();
    takeOut(portal);
  });
}
