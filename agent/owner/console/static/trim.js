// The part of a clip that leaves: two handles on one track, two numbers, two buttons.

const LEAST_SECONDS = 0.1;
const round = (seconds) => Math.round(seconds * 1000) / 1000;

export class Trim {
  constructor(section, trim, seconds, now, changed) {
    const find = (name) => section.querySelector(name);
    this.changed = changed;
    this.ranges = [find(".from"), find(".to")];
    this.numbers = [find(".from-number"), find(".to-number")];
    this.seconds = seconds;
    this.ends = [trim?.from_seconds ?? 0, trim?.to_seconds ?? seconds];
    this.length(seconds);
    for (const place of [0, 1]) {
      for (const field of [this.ranges[place], this.numbers[place]]) {
        field.addEventListener("input", () => this.set(place, Number(field.value), field));
        field.addEventListener("change", () => this.show());
      }
      find([".from-here", ".to-here"][place]).addEventListener("click", () => this.set(place, now()));
    }
    find(".whole").addEventListener("click", () => {
      this.ends = [0, this.seconds];
      this.show();
      changed();
    });
  }

  // The trim, or null for the whole clip.
  get value() {
    const [from, to] = this.ends;
    return from <= 0 && to >= this.seconds ? null : { from_seconds: round(from), to_seconds: round(to) };
  }

  length(seconds) {
    const isWhole = this.ends[1] >= this.seconds;
    this.seconds = seconds;
    if (isWhole) {
      this.ends[1] = seconds;
    }
    for (const field of [...this.ranges, ...this.numbers]) {
      field.max = Math.ceil(seconds * 10) / 10;
    }
    this.show();
  }

  set(place, seconds, typed) {
    const bounded = Math.min(Math.max(0, seconds), this.seconds);
    const other = this.ends[1 - place];
    this.ends[place] =
      place === 0 ? Math.min(bounded, other - LEAST_SECONDS) : Math.max(bounded, other + LEAST_SECONDS);
    this.show(typed);
    this.changed();
  }

  show(typed) {
    this.ends.forEach((seconds, place) => {
      for (const field of [this.ranges[place], this.numbers[place]]) {
        if (field !== typed) {
          field.value = Math.round(seconds * 10) / 10;
        }
      }
      this.ranges[place].setAttribute("aria-valuetext", `${seconds.toFixed(1)} s`);
    });
  }
}
