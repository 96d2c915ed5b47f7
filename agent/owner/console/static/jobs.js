// Waits for jobs of the console: await job(id, state => …) resolves with its last state.

const PAUSE_MS = 300;

export async function job(id, onState = () => {}) {
  for (;;) {
    const answer = await fetch(`/jobs/${encodeURIComponent(id)}`);
    if (answer.status === 401) {
      location.reload(); // locked meanwhile: the guard asks for the passphrase
    }
    const state = await answer.json();
    onState(state);
    if (state.state !== "running") {
      return state;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
