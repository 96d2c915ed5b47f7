// Tells the console that somebody uses the page, and clears the page once it is locked.

const TELL_MS = 60_000;
const LOOK_MS = 15_000;

let toldAt = Date.now();

function tell(event) {
  if (event.isTrusted && Date.now() - toldAt > TELL_MS) {
    toldAt = Date.now();
    fetch("/active", { method: "POST" }).catch(() => {}); // away for a moment
  }
}

async function look() {
  let answer;
  try {
    answer = await fetch("/news");
  } catch {
    return; // the console is away, and a page without it shows no more than it did
  }
  if (answer.status === 401 || answer.status === 403) {
    document.body.replaceChildren();
    const here = location.pathname + location.search;
    location.replace(`/unlock?next=${encodeURIComponent(here)}`);
  }
}

for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
  addEventListener(kind, tell, { capture: true, passive: true });
}
addEventListener("pageshow", (event) => event.persisted && look());
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_MS);
