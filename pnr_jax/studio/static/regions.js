// Regions of a source, painted by hand in boxes: hidden from the regression, or spoiled.
// Region i is row i of H: the image's 4x4-pixel cells from left to right and down.

import { svg } from "./editor.js";

export class Regions {
  // `onpaint(cells)` when a box has been painted: the set of the tool's cells.
  constructor(element, { size, region, onpaint }) {
    Object.assign(this, { element, size, region, onpaint });
    this.rows = size[0] / region;
    this.columns = size[1] / region;
    this.tool = null; // "hidden" or "painted".
    this.cells = { hidden: new Set(), painted: new Set() };
    this.layer = svg("g", { class: "regions" });
    this.cursor = svg("rect", { class: "cursor", width: region, height: region, hidden: "" });
    this.at = [0, 0];
    element.prepend(this.layer, this.cursor);
    element.addEventListener("pointerdown", (event) => this.start(event));
    element.addEventListener("keydown", (event) => this.press(event));
    element.addEventListener("focus", () => this.moveCursor(0, 0));
    element.addEventListener("blur", () => this.cursor.toggleAttribute("hidden", true));
  }

  show(hidden, painted) {
    this.cells = { hidden: new Set(hidden), painted: new Set(painted) };
    this.update();
  }

  choose(tool) {
    this.tool = tool;
    this.element.classList.toggle("painting", tool !== null);
    this.element.setAttribute("tabindex", tool ? 0 : -1);
    this.cursor.toggleAttribute("hidden", true);
  }

  update() {
    const rects = Object.entries(this.cells).flatMap(([kind, cells]) =>
      [...cells].map((cell) => {
        const [row, column] = [Math.floor(cell / this.columns), cell % this.columns];
        const place = { x: column * this.region, y: row * this.region };
        return svg("rect", { ...place, width: this.region, height: this.region, class: kind });
      }));
    this.layer.replaceChildren(...rects);
  }

  cellUnder({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    const within = (v, count) => Math.min(count - 1, Math.max(0, Math.floor(v * count)));
    return [
      within((clientY - box.top) / box.height, this.rows),
      within((clientX - box.left) / box.width, this.columns),
    ];
  }

  // A box from corner to corner; one that starts on a painted cell wipes.
  fill(before, [top, left], [bottom, right]) {
    const cells = new Set(before);
    const wipe = before.has(top * this.columns + left);
    for (let row = Math.min(top, bottom); row <= Math.max(top, bottom); row++) {
      for (let column = Math.min(left, right); column <= Math.max(left, right); column++) {
        cells[wipe ? "delete" : "add"](row * this.columns + column);
      }
    }
    this.cells[this.tool] = cells;
    this.update();
    this.onpaint(this.tool, [...cells]);
  }

  start(event) {
    if (!this.tool || event.button !== 0) return;
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const before = this.cells[this.tool];
    const corner = this.cellUnder(event);
    let last = corner;
    this.fill(before, corner, corner);
    const move = (moved) => {
      const cell = this.cellUnder(moved);
      if (cell[0] === last[0] && cell[1] === last[1]) return;
      last = cell;
      this.fill(before, corner, cell);
    };
    const drop = () => {
      this.element.removeEventListener("pointermove", move);
      this.element.removeEventListener("pointerup", drop);
      this.element.removeEventListener("pointercancel", drop);
    };
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", drop);
    this.element.addEventListener("pointercancel", drop);
  }

  press(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!this.tool || event.target !== this.element) return;
    if (event.key in steps) this.moveCursor(...steps[event.key]);
    else if (event.key === " " || event.key === "Enter") this.fill(this.cells[this.tool], this.at, this.at);
    else return;
    event.preventDefault();
  }

  moveCursor(down, across) {
    if (!this.tool || !this.element.matches(":focus-visible")) return;
    const within = (v, count) => Math.min(count - 1, Math.max(0, v));
    this.at = [within(this.at[0] + down, this.rows), within(this.at[1] + across, this.columns)];
    this.cursor.setAttribute("y", this.at[0] * this.region);
    this.cursor.setAttribute("x", this.at[1] * this.region);
    this.cursor.toggleAttribute("hidden", false);
  }
}
