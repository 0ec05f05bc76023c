// The pictures: the newest pose, drawn as fast as the server renders.

import { Editor, listMissing } from "./editor.js";
import { draw, newest } from "./api.js";
import { copy, fromWire, place, same, toWire } from "./skeleton.js";

const HISTORY = 200;
const $ = (id) => document.getElementById(id);

export class Stage {
  // `onlost` is called when the server no longer keeps the person; `onfail` with other errors;
  // `ontouch` when a hand takes the pose.
  constructor({ studio, onlost, onfail, ontouch }) {
    Object.assign(this, { studio, onlost, onfail, ontouch });
    this.size = studio.image_size;
    this.person = null;
    this.pose = null;
    this.past = [];
    this.future = [];
    this.latest = null; // The picture that is shown: {image, names}.
    this.times = [];
    this.request = newest((wish) => this.fetch(wish), $("panes"));
    this.panes = studio.models.map((model) => this.makePane(model));
    this.chosen = [studio.models[0].name];
    this.makeChoice();
    $("undo").addEventListener("click", () => this.travel(this.past, this.future));
    $("redo").addEventListener("click", () => this.travel(this.future, this.past));
    $("show-skeleton").addEventListener("change", (event) => {
      for (const { editor, element } of this.panes) {
        element.classList.toggle("bare", !event.target.checked);
        editor.enable(event.target.checked);
      }
    });
  }

  makePane({ name, note }) {
    const canvas = document.createElement("canvas");
    const overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    overlay.setAttribute("role", "group");
    overlay.setAttribute("aria-label", `The target skeleton over the ${name} picture`);
    overlay.setAttribute("aria-describedby", "stage-hint");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The person in the target pose, ${name}`);
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(canvas, overlay);
    const caption = document.createElement("figcaption");
    const strong = document.createElement("strong");
    strong.textContent = name;
    caption.append(strong, ` ${note}`);
    const element = document.createElement("figure");
    element.append(frame, caption);
    $("panes").append(element);
    const editor = new Editor(overlay, {
      size: this.size,
      onmove: (pose, stamp) => {
        this.ontouch();
        this.show(pose, stamp);
      },
      onrest: (before) => this.remember(before),
    });
    new ResizeObserver(() => this.repaint()).observe(canvas);
    return { name, element, canvas, editor };
  }

  makeChoice() {
    const names = this.studio.models.map(({ name }) => name);
    const choices = names.map((name) => [name, [name]]);
    if (names.length > 1) choices.push(["Compare", names]);
    for (const [label, chosen] of choices) {
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: "model", value: label, checked: same(chosen, this.chosen) });
      input.addEventListener("change", () => this.choose(chosen));
      const span = document.createElement("span");
      span.textContent = label;
      const element = document.createElement("label");
      element.append(input, span);
      $("models").append(element);
    }
    this.choose(this.chosen);
  }

  choose(names) {
    this.chosen = names;
    for (const { name, element } of this.panes) element.hidden = !names.includes(name);
    $("panes").classList.toggle("two", names.length > 1);
    this.refresh();
  }

  meet(person) {
    this.person = person;
    this.refresh();
  }

  // Shows a pose; `stamp` is the time of the event that asked for it.
  show(pose, stamp = performance.now()) {
    this.pose = pose;
    for (const { editor } of this.panes) if (editor.pose !== pose) editor.show(pose);
    listMissing($("missing"), pose, (joint) => this.restore(joint));
    this.refresh(stamp);
  }

  // As `show`, and can be undone.
  set(pose) {
    if (this.pose) this.remember(this.pose);
    this.show(pose);
  }

  remember(before) {
    this.past = [...this.past.slice(-HISTORY), before];
    this.future = [];
    this.updateHistory();
  }

  travel(from, to) {
    if (!from.length) return;
    this.ontouch();
    to.push(this.pose);
    this.show(from.pop());
    this.updateHistory();
  }

  updateHistory() {
    $("undo").disabled = !this.past.length;
    $("redo").disabled = !this.future.length;
  }

  undo() {
    this.travel(this.past, this.future);
  }

  redo() {
    this.travel(this.future, this.past);
  }

  refresh(stamp = performance.now()) {
    if (!this.person || !this.pose) return;
    const wire = toWire(this.pose, this.size);
    if (wire.every(([y]) => y === -1)) return; // All dragged out of the picture.
    this.request({ person: this.person, names: this.chosen, wire, stamp });
  }

  async fetch({ person, names, wire, stamp }) {
    const asked = performance.now();
    try {
      const blob = await draw(person, names, wire);
      if (!blob) return;
      this.latest = { image: await createImageBitmap(blob), names };
    } catch (error) {
      if (error.status === 404 && person === this.person) this.onlost();
      else if (person === this.person) this.onfail(error);
      return;
    }
    this.repaint();
    this.tell(performance.now() - asked);
    requestAnimationFrame(() => performance.measure("to picture", { start: stamp }));
  }

  repaint() {
    if (!this.latest) return;
    const [height, width] = this.size;
    for (const { name, canvas } of this.panes) {
      const column = this.latest.names.indexOf(name);
      if (column < 0 || !canvas.clientWidth) continue;
      const scale = Math.max(1, window.devicePixelRatio) * (canvas.clientWidth / width);
      const backing = [Math.round(width * scale), Math.round(height * scale)];
      if (canvas.width !== backing[0] || canvas.height !== backing[1]) [canvas.width, canvas.height] = backing;
      const context = canvas.getContext("2d", { alpha: false });
      context.imageSmoothingQuality = "high";
      context.drawImage(this.latest.image, column * width, 0, width, height, 0, 0, canvas.width, canvas.height);
    }
  }

  // The median of the last requests.
  tell(milliseconds) {
    this.times = [...this.times.slice(-30), milliseconds];
    const median = [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
    $("meter").textContent = `${median.toFixed(0)} ms a picture`;
  }

  restore(joint) {
    this.ontouch();
    const pose = copy(this.pose);
    pose[joint] = place(pose, joint, fromWire(this.studio.poses.Stand));
    this.set(pose);
  }

  // The picture of each model that is shown, at the model's own size.
  pictures() {
    const [height, width] = this.size;
    return this.latest.names.map((name, i) => {
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext("2d").drawImage(this.latest.image, -i * width, 0);
      return { name, canvas };
    });
  }
}
