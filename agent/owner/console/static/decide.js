// The page on which clips are decided: each clip in an Editor, all edits in one hidden field.

import { Boxes } from "./box_editor.js";
import { footage, notice } from "./footage.js";
import { Trim } from "./trim.js";

const words = document.getElementById("words").dataset;
const form = document.getElementById("decide");
const convert = document.getElementById("convert");
const RENDER_AFTER_MS = 800;
const STEP_SECONDS = 1 / 25; // where a video does not tell its pictures' times
const DRIFT_SECONDS = 0.25;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

class Editor {
  constructor(section) {
    this.section = section;
    this.seconds = Number(section.dataset.seconds);
    const edit = JSON.parse(section.dataset.edit);
    this.id = edit.id;
    this.find = (name) => section.querySelector(name);
    this.before = this.find(".before");
    this.after = this.find(".after");
    this.shown = null; // facts of the clip as recorded
    this.leaving = null; // facts of what would leave, and the edits that it was made of
    const changed = () => this.changed();
    this.trim = new Trim(section, edit.trim, this.seconds, () => this.time, changed);
    this.boxes = new Boxes(section, edit.redact ?? [], words, this, changed);
    this.wire();
  }

  get leaves() {
    return this.find(".leaves").checked;
  }

  get time() {
    return this.before.currentTime + (this.shown?.begins ?? 0);
  }

  set time(seconds) {
    this.before.currentTime = Math.max(0, seconds - (this.shown?.begins ?? 0));
  }

  get edit() {
    const trim = this.trim.value;
    const redact = this.boxes.value;
    return { id: this.id, ...(trim && { trim }), ...(redact.length && { redact }) };
  }

  wire() {
    const { before, section } = this;
    this.find(".load").addEventListener("click", () => this.load());
    this.find(".play").addEventListener("click", () => this.toggle());
    this.find(".back").addEventListener("click", () => this.step(-1));
    this.find(".on").addEventListener("click", () => this.step(1));
    this.find(".position").addEventListener("input", (event) => (this.time = Number(event.target.value)));
    this.find(".leaves").addEventListener("change", () => section.classList.toggle("stays", !this.leaves));
    this.find(".faces")?.addEventListener("click", () => this.findFaces());
    for (const kind of ["timeupdate", "seeked", "loadeddata"]) {
      before.addEventListener(kind, () => this.draw());
    }
    before.addEventListener("play", () => this.follow());
    for (const kind of ["play", "pause", "ended"]) {
      before.addEventListener(kind, () => {
        const label = before.paused ? words.play : words.pause;
        this.find(".play").textContent = label;
        if (before.paused) {
          this.after.pause();
        }
      });
    }
    before.addEventListener("loadedmetadata", () => {
      if (!(this.seconds > 0) && Number.isFinite(before.duration)) {
        this.seconds = before.duration; // of a clip that was cut off nobody knew the length
        this.trim.length(this.seconds);
      }
      this.find(".position").max = this.seconds;
    });
    section.addEventListener("keydown", (event) => {
      if (!event.target.matches("input:not([type=range]), textarea") && [",", "."].includes(event.key)) {
        event.preventDefault();
        this.step(event.key === "," ? -1 : 1);
      }
    });
  }

  async load() {
    this.find(".load").hidden = true;
    this.tell(words.loading);
    try {
      this.shown = await this.fetch("", (state) => {
        if (state.total > 0) {
          this.tell(fill(words.percent, { percent: Math.floor((100 * state.done) / state.total) }));
        }
      });
      this.before.src = this.shown.src;
      notice(this.before, this.shown);
      this.tell("");
      await this.render();
    } catch (error) {
      this.tell(error.message);
      this.find(".load").hidden = false;
    }
  }

  fetch(edits, onState) {
    return footage({ camera: this.section.dataset.camera, clip: this.id, edits }, onState);
  }

  // What would leave, made anew when the edits have rested; the latest wins.
  changed() {
    this.draw();
    this.section.classList.add("stale");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.render(), RENDER_AFTER_MS);
  }

  async render() {
    if (!this.shown) {
      return;
    }
    if (this.rendering) {
      this.again = true;
      return;
    }
    this.rendering = true;
    const told = this.find(".leaving");
    told.textContent = words.rendering;
    try {
      const codec = convert.checked ? { codec: "h264" } : {};
      const made = await this.fetch(JSON.stringify({ clips: [this.edit], ...codec }));
      if (this.leaving?.src !== made.src) {
        this.after.src = made.src;
        notice(this.after, made);
      }
      this.leaving = made;
      this.section.classList.remove("stale");
      told.textContent = made.plays
        ? fill(words.rendered, { pictures: made.pictures, sha256: made.sha256 })
        : words.unplayable;
    } catch (error) {
      told.textContent = error.message;
    }
    this.rendering = false;
    if (this.again) {
      this.again = false;
      await this.render();
    }
  }

  toggle() {
    if (!this.before.paused) {
      this.before.pause();
      return;
    }
    if (this.before.ended) {
      this.time = this.trim.value?.from_seconds ?? 0;
    }
    this.before.play().catch((error) => this.tell(error.message));
  }

  step(pictures) {
    this.before.pause();
    this.time = this.time + pictures * (this.shown?.step ?? STEP_SECONDS);
  }

  // While the recording plays, boxes move with it, and what would leave plays beside it.
  follow() {
    if (!this.before.paused) {
      this.draw();
      requestAnimationFrame(() => this.follow());
    }
  }

  draw() {
    const { after, before } = this;
    this.find(".position").value = this.time;
    this.find(".time").textContent = `${this.time.toFixed(1)} s`;
    this.boxes.draw(this.time);
    if (!this.leaving?.plays || !after.duration) {
      return;
    }
    const wanted = this.time - this.leaving.begins;
    const isIn = wanted >= -0.05 && wanted < after.duration;
    if (isIn && !before.paused) {
      if (Math.abs(after.currentTime - wanted) > DRIFT_SECONDS) {
        after.currentTime = Math.max(0, wanted);
      }
      if (after.paused) {
        after.play().catch(() => {});
      }
    } else {
      after.pause();
      if (before.paused) {
        after.currentTime = Math.min(Math.max(0, wanted), after.duration);
      }
    }
  }

  async findFaces() {
    const button = this.find(".faces");
    button.disabled = true;
    this.tell(words.looking);
    try {
      const trim = this.trim.value;
      const edits = JSON.stringify({ clips: [{ id: this.id, ...(trim && { trim }) }] });
      const found = await this.boxes.propose(this.section.dataset.camera, this.id, edits);
      const boxes = fill(words.faces, { faces: found.faces, count: found.redact.length });
      const left = found.left_out ? fill(words.facesLeftOut, { count: found.left_out }) : "";
      this.tell(found.redact.length ? `${boxes} ${left}` : words.noFaces);
    } catch (error) {
      this.tell(error.message);
    }
    button.disabled = false;
  }

  tell(text) {
    this.find(".told").textContent = text;
  }
}

const editors = [...document.querySelectorAll(".shot")].map((section) => new Editor(section));

convert.addEventListener("change", () => editors.forEach((one) => one.changed()));
form.addEventListener("submit", (event) => {
  const clips = editors.filter((one) => one.leaves).map((one) => one.edit);
  if (!clips.length) {
    event.preventDefault();
    editors[0].tell(words.none);
    editors[0].find(".leaves").focus();
    return;
  }
  const codec = convert.checked ? { codec: "h264" } : {};
  form.elements.edits.value = JSON.stringify({ clips, ...codec });
});
document.getElementById("card-file")?.addEventListener("change", async (event) => {
  form.elements.card.value = (await event.target.files[0]?.text()) ?? "";
});
for (const editor of editors) {
  await editor.load(); // one after another: a camera sends one clip at a time
}
