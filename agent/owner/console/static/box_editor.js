// Boxes over a picture, to draw, move, resize and delete by pointer, finger or keyboard. Each change
// places the box at the time that the picture shows.

import { MOST_BOXES, MOST_POSITIONS, at, inside, isThere, place } from "./boxes.js";
import { job } from "./jobs.js";

const STEP = 0.01; // of the picture, for a key
const LEAST_DRAWN = 0.02;

export class Boxes {
  constructor(section, redactions, words, player, changed) {
    this.layer = section.querySelector(".boxes");
    this.list = section.querySelector(".list");
    this.words = words;
    this.player = player;
    this.changed = changed;
    this.redactions = redactions;
    section.querySelector(".add").addEventListener("click", () => this.add([0.35, 0.35, 0.3, 0.3]));
    this.layer.addEventListener("pointerdown", (event) => this.begin(event));
    this.build();
  }

  get value() {
    return this.redactions;
  }

  // Elements for each box: one over the picture, one in the list.
  build(focus = -1) {
    this.layer.replaceChildren(...this.redactions.map((_, number) => this.overlay(number)));
    this.list.replaceChildren(...this.redactions.map((_, number) => this.row(number)));
    this.draw(this.player.time);
    this.layer.children[focus]?.focus();
  }

  name(number) {
    return this.words.box.replace("{number}", number + 1);
  }

  overlay(number) {
    const box = document.createElement("button");
    box.type = "button";
    box.className = "box";
    box.dataset.number = number;
    box.setAttribute("aria-label", this.name(number));
    const handle = document.createElement("span");
    handle.className = "handle";
    box.append(handle);
    box.addEventListener("keydown", (event) => this.key(event, number));
    return box;
  }

  row(number) {
    const redaction = this.redactions[number];
    const row = document.getElementById("box-row").content.firstElementChild.cloneNode(true);
    row.querySelector(".number").textContent = number + 1;
    row.querySelectorAll("[data-side]").forEach((field) => {
      field.addEventListener("change", () => {
        const box = at(redaction, this.player.time);
        box[field.dataset.side] = Number(field.value) / 100;
        this.put(number, box);
      });
    });
    for (const [name, key] of [[".starts", "from_seconds"], [".ends", "to_seconds"]]) {
      const field = row.querySelector(name);
      field.value = redaction[key] ?? "";
      field.addEventListener("change", () => {
        delete redaction[key];
        if (field.value !== "") {
          redaction[key] = Number(field.value);
        }
        this.changed();
      });
    }
    row.querySelector(".remove").addEventListener("click", () => this.remove(number));
    row.querySelector(".positions").replaceChildren(...this.places(number));
    return row;
  }

  places(number) {
    const redaction = this.redactions[number];
    return redaction.positions.map((position) => {
      const item = document.getElementById("position-row").content.firstElementChild.cloneNode(true);
      const go = item.querySelector(".go");
      go.textContent = `${position[0].toFixed(1)} s`;
      go.addEventListener("click", () => (this.player.time = position[0]));
      const drop = item.querySelector(".drop");
      drop.hidden = redaction.positions.length === 1;
      drop.addEventListener("click", () => {
        redaction.positions = redaction.positions.filter((one) => one !== position);
        this.refresh(number);
        this.changed();
      });
      return item;
    });
  }

  refresh(number) {
    this.list.children[number].querySelector(".positions").replaceChildren(...this.places(number));
    this.draw(this.player.time);
  }

  draw(seconds) {
    this.redactions.forEach((redaction, number) => {
      const [x, y, width, height] = at(redaction, seconds);
      const box = this.layer.children[number];
      box.style.left = `${100 * x}%`;
      box.style.top = `${100 * y}%`;
      box.style.width = `${100 * width}%`;
      box.style.height = `${100 * height}%`;
      box.classList.toggle("away", !isThere(redaction, seconds));
      const fields = this.list.children[number].querySelectorAll("[data-side]");
      [x, y, width, height].forEach((side, place) => {
        if (document.activeElement !== fields[place]) {
          fields[place].value = (100 * side).toFixed(1);
        }
      });
    });
  }

  // Changes

  add(box) {
    if (this.redactions.length >= MOST_BOXES) {
      this.full();
      return -1;
    }
    this.redactions.push({ positions: [[Math.round(this.player.time * 1000) / 1000, ...inside(box)]] });
    this.build(this.redactions.length - 1);
    this.changed();
    return this.redactions.length - 1;
  }

  put(number, box) {
    this.player.before.pause();
    if (place(this.redactions[number], this.player.time, box)) {
      this.refresh(number);
      this.changed();
    } else {
      this.full();
    }
  }

  full() {
    const most = { "{most}": MOST_BOXES, "{positions}": MOST_POSITIONS };
    this.player.tell(this.words.tooMany.replace(/\{\w+\}/g, (name) => most[name]));
  }

  remove(number) {
    this.redactions.splice(number, 1);
    this.build(Math.min(number, this.redactions.length - 1));
    this.changed();
  }

  // Proposes boxes around faces in the part that leaves: {faces, left_out, redact}.
  async propose(camera, clip, edits) {
    const fields = new URLSearchParams({ camera, clip, edits });
    const answer = await fetch("/faces", { method: "POST", body: fields });
    const begun = await answer.json();
    if (!answer.ok) {
      throw new Error(begun.error);
    }
    const state = await job(begun.job);
    if (state.state !== "done") {
      throw new Error(state.error);
    }
    const found = state.said.redact;
    const room = MOST_BOXES - this.redactions.length;
    this.redactions.push(...found.slice(0, room));
    if (found.length) {
      this.build();
      this.changed();
    }
    if (found.length > room) {
      this.full();
    }
    return state.said;
  }

  // Keyboard

  key(event, number) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const move = moves[event.key];
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.remove(number);
    } else if (move) {
      event.preventDefault();
      const [x, y, width, height] = at(this.redactions[number], this.player.time);
      this.put(
        number,
        event.shiftKey
          ? [x, y, Math.min(width + move[0], 1 - x), Math.min(height + move[1], 1 - y)]
          : [x + move[0], y + move[1], width, height],
      );
    }
  }

  // Pointer

  begin(event) {
    const target = event.target.closest(".box");
    if (event.button !== 0 || (!target && event.pointerType !== "mouse")) {
      return; // a finger on the bare picture scrolls the page
    }
    event.preventDefault();
    this.player.before.pause();
    const from = this.point(event);
    let number = target ? Number(target.dataset.number) : -1;
    const origin = target ? at(this.redactions[number], this.player.time) : [...from, 0, 0];
    const isResize = !target || event.target.classList.contains("handle");
    target?.focus();
    let box = null;
    const move = (moved) => {
      const [x, y] = this.point(moved);
      const [dx, dy] = [x - from[0], y - from[1]];
      const corner = [Math.min(x, from[0]), Math.min(y, from[1]), Math.abs(dx), Math.abs(dy)];
      box = isResize ? [origin[0], origin[1], origin[2] + dx, origin[3] + dy] : [origin[0] + dx, origin[1] + dy, ...origin.slice(2)];
      if (!target) {
        box = corner;
        if (number < 0 && Math.min(box[2], box[3]) < LEAST_DRAWN) {
          return;
        }
        number = number < 0 ? this.add(box) : number;
      }
      if (number >= 0) {
        place(this.redactions[number], this.player.time, box);
        this.draw(this.player.time);
      }
    };
    const end = () => {
      this.layer.removeEventListener("pointermove", move);
      this.layer.removeEventListener("pointerup", end);
      this.layer.removeEventListener("pointercancel", end);
      if (box && number >= 0) {
        this.put(number, box);
      }
    };
    this.layer.setPointerCapture(event.pointerId);
    this.layer.addEventListener("pointermove", move);
    this.layer.addEventListener("pointerup", end);
    this.layer.addEventListener("pointercancel", end);
  }

  point(event) {
    const area = this.layer.getBoundingClientRect();
    const share = (value, size) => Math.min(1, Math.max(0, value / size));
    return [share(event.clientX - area.left, area.width), share(event.clientY - area.top, area.height)];
  }
}
