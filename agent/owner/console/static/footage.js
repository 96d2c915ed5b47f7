// Clips of the console in a player: await footage({camera, clip, edits}, onState) gives the clip's
// address and facts; notice(video, facts) tells the console once the owner has looked at it.

import { job } from "./jobs.js";

export async function footage(what, onState = () => {}) {
  const fields = Object.entries(what).filter(([, value]) => value);
  const answer = await fetch("/footage", { method: "POST", body: new URLSearchParams(fields) });
  if (answer.status === 401) {
    location.reload(); // locked meanwhile: the guard asks for the passphrase
  }
  const begun = await answer.json();
  if (!answer.ok) {
    throw new Error(begun.error);
  }
  const state = await job(begun.job, onState);
  if (state.state !== "done") {
    throw new Error(state.error);
  }
  return state.said;
}

export function notice(video, facts, told = () => {}) {
  const tell = () => fetch(facts.seen, { method: "POST" }).then(told);
  video.addEventListener("playing", tell, { once: true });
}
