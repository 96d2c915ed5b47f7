// The page Look: begins a look, shows its newest picture, and ends it when the page is left.

const find = (id) => document.getElementById(id);
const words = find("words").dataset;
const form = find("look");
const picture = find("picture");
const PAUSE_MS = 500;
let turn = 0; // a look that was begun anew ends the loop of the one before

async function ask(path, fields) {
  const options = fields && { method: "POST", body: new URLSearchParams(fields) };
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    location.reload(); // locked meanwhile: the guard asks for the passphrase
  }
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(said.error);
  }
  return said;
}

function finish(text) {
  find("state").textContent = text;
  find("end").hidden = true;
}

async function look(camera) {
  const mine = ++turn;
  let shown = 0;
  picture.hidden = true;
  find("state").textContent = words.waiting;
  try {
    await ask("/look", { camera });
    find("end").hidden = false;
    while (mine === turn) {
      const state = await ask("/look/state");
      if (state.over) {
        finish(state.error || words.over);
        return;
      }
      if (state.number > shown) {
        shown = state.number;
        picture.src = `/look/picture?number=${shown}`;
        picture.alt = words.alt.replace("{camera}", camera);
        picture.hidden = false;
        if (shown === 1) find("state").textContent = camera; // said once, not each second
        picture.title = state.at;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  } catch (error) {
    finish(error.message);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  look(new FormData(form).get("camera"));
});
find("end").addEventListener("click", () => ask("/look/end", {}).catch(() => {}));
addEventListener("pagehide", () => navigator.sendBeacon("/look/end"));
