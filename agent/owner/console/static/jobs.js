// Waits for jobs of the console: await job(id, state => …) resolves with its last state.

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 300;

export async function job(id, onState = () => {}) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(1.5 * pause, LONGEST_PAUSE_MS)) {
    const answer = await fetch(`/jobs/${encodeURIComponent(id)}`);
    if (answer.status === 401) {
      location.reload(); // locked meanwhile: the guard asks for the passphrase
    }
    const state = await answer.json();
    onState(state);
    if (state.state !== "running") {
      return state;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
