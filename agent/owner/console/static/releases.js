// Keeps the releases of a page up to date until nothing more can happen to them.

const FAST_MS = 1_500;
const SLOW_MS = 10_000;
const FAST_ROUNDS = 200; // then somebody who only left the page open asks less often

const sections = [...document.querySelectorAll(".release")];
const fault = document.getElementById("fault");

function show(section, release) {
  const set = (name, text) => {
    const place = section.querySelector(name);
    if (place.textContent !== text) {
      place.textContent = text; // a screen reader says what is new, and nothing again
    }
    place.hidden = !text;
  };
  set(".state", release.state);
  set(".away", release.away);
  set(".files", release.lines.join("\n"));
  section.querySelectorAll(".steps li").forEach((step, place) => {
    step.className = release.steps[place] ?? "ahead";
    step.toggleAttribute("aria-current", release.steps[place] === "now");
  });
  section.querySelector(".stop").hidden = !release.stop;
  section.toggleAttribute("data-final", release.final);
}

async function look() {
  const open = sections.filter((one) => !one.hasAttribute("data-final"));
  const query = new URLSearchParams(open.map((one) => ["release", one.dataset.key]));
  const answer = await fetch(`/releases/state?${query}`);
  if (!answer.ok) {
    return;
  }
  const said = await answer.json();
  fault.textContent = said.fault;
  fault.hidden = !said.fault;
  for (const release of said.releases) {
    show(sections.find((one) => one.dataset.key === release.key), release);
  }
}

for (let round = 0; sections.some((one) => !one.hasAttribute("data-final")); round += 1) {
  await new Promise((resolve) => setTimeout(resolve, round < FAST_ROUNDS ? FAST_MS : SLOW_MS));
  if (document.visibilityState === "visible") {
    await look().catch(() => {}); // the console is away for a moment
  }
}
