// Boxes that move over time, in the form that is signed (agent/consent/statements/redaction.py):
// {positions: [[seconds, x, y, width, height], …], from_seconds?, to_seconds?}, shares of the picture.

export const MOST_BOXES = 16;
export const MOST_POSITIONS = 100;
const SMALLEST = 0.01;
const SAME_SECONDS = 0.02; // two places so close in time are one

const round = (number) => Math.round(number * 10_000) / 10_000;

// The box [x, y, width, height] at a time: between two places, or at the outermost.
export function at(redaction, seconds) {
  const positions = redaction.positions;
  const after = positions.findIndex((one) => one[0] > seconds);
  if (after <= 0) {
    return positions.at(after === 0 ? 0 : -1).slice(1);
  }
  const [one, other] = [positions[after - 1], positions[after]];
  const share = (seconds - one[0]) / (other[0] - one[0]);
  const edges = (box) => [box[1], box[2], box[1] + box[3], box[2] + box[4]];
  const [left, top, right, bottom] = edges(one).map((edge, i) => edge + (edges(other)[i] - edge) * share);
  return [left, top, right - left, bottom - top];
}

export function isThere(redaction, seconds) {
  return seconds >= (redaction.from_seconds ?? -Infinity) && seconds <= (redaction.to_seconds ?? Infinity);
}

// The box moved and shrunk as little as need be to lie inside the picture.
export function inside([x, y, width, height]) {
  const [w, h] = [width, height].map((side) => Math.min(1, Math.max(SMALLEST, side)));
  const [left, top] = [Math.min(Math.max(0, x), 1 - w), Math.min(Math.max(0, y), 1 - h)];
  return [round(left), round(top), round(Math.min(w, 1 - round(left))), round(Math.min(h, 1 - round(top)))];
}

// Puts the box somewhere at a time; false if it has as many places as it may have.
export function place(redaction, seconds, box) {
  const time = Math.max(0, Math.round(seconds * 1000) / 1000);
  const position = [time, ...inside(box)];
  const known = redaction.positions.findIndex((one) => Math.abs(one[0] - time) < SAME_SECONDS);
  if (known >= 0) {
    position[0] = redaction.positions[known][0];
    redaction.positions[known] = position;
    return true;
  }
  if (redaction.positions.length >= MOST_POSITIONS) {
    return false;
  }
  redaction.positions.push(position);
  redaction.positions.sort((one, other) => one[0] - other[0]);
  return true;
}
