// The shelf of poses, and motions: key poses that are played one after the other.

import { thumbnail } from "./editor.js";
import { between, copy, fromWire, same } from "./skeleton.js";

const $ = (id) => document.getElementById(id);
const STEP = 420; // Milliseconds from one key pose to the next at speed 1.
const GLIDE = 260; // Of the way to a pose of the shelf.
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Motion {
  constructor({ studio, stage, onnote }) {
    Object.assign(this, { studio, stage, onnote });
    this.size = studio.image_size;
    this.frame = 0; // Of requestAnimationFrame, 0 at rest.
    this.keys = [];
    this.kept = 0;
    for (const [name, pose] of Object.entries(studio.poses)) this.shelve(name, fromWire(pose));
    $("keep-pose").addEventListener("click", () => this.shelve(`Mine ${++this.kept}`, copy(stage.pose), true));
    $("add-key").addEventListener("click", () => this.setKeys([...this.keys, copy(stage.pose)]));
    $("clear-keys").addEventListener("click", () => this.setKeys([]));
    $("play").addEventListener("click", () => (this.playing ? this.stop() : this.play()));
    this.makeMotions();
  }

  shelve(name, pose, first = false) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pose";
    const label = document.createElement("span");
    label.textContent = name;
    button.append(thumbnail(pose, this.size), label);
    button.addEventListener("click", () => this.glide(pose));
    $("shelf")[first ? "prepend" : "append"](button);
    if (first) button.scrollIntoView({ block: "nearest" });
  }

  makeMotions() {
    Object.entries(this.studio.motions).forEach(([name, poses], i) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: "motion", value: name, checked: i === 0 });
      const keys = poses.map(fromWire);
      input.addEventListener("change", () => this.setKeys(keys));
      const span = document.createElement("span");
      span.textContent = name;
      const label = document.createElement("label");
      label.append(input, span);
      $("motions").append(label);
      if (i === 0) this.setKeys(keys);
    });
  }

  setKeys(keys) {
    this.keys = keys;
    if (keys.length < 2) this.stop();
    for (const input of $("motions").querySelectorAll("input")) {
      input.checked = same(this.studio.motions[input.value].map(fromWire), keys);
    }
    $("play").disabled = keys.length < 2;
    $("keys").replaceChildren(...keys.map((pose, i) => {
      const go = document.createElement("button");
      Object.assign(go, { type: "button", className: "pose" });
      go.setAttribute("aria-label", `Key pose ${i + 1}`);
      go.append(thumbnail(pose, this.size));
      go.addEventListener("click", () => this.glide(pose));
      const drop = document.createElement("button");
      Object.assign(drop, { type: "button", className: "cross", textContent: "×" });
      drop.setAttribute("aria-label", `Remove key pose ${i + 1}`);
      drop.addEventListener("click", () => this.setKeys(this.keys.filter((_, j) => j !== i)));
      const item = document.createElement("li");
      item.append(go, drop);
      return item;
    }));
  }

  get speed() {
    return Number($("speed").value);
  }

  get playing() {
    return $("play").getAttribute("aria-pressed") === "true";
  }

  // From the present pose to another, in a moment.
  glide(to) {
    this.stop();
    const from = this.stage.pose;
    if (same(from, to)) return;
    this.stage.remember(from);
    this.run((passed) => {
      const t = calm.matches ? 1 : Math.min(1, passed / GLIDE);
      this.stage.show(t < 1 ? between(from, to, t * t * (3 - 2 * t)) : copy(to));
      return t < 1;
    });
  }

  play() {
    if (this.keys.length < 2) return;
    this.stop();
    this.stage.remember(this.stage.pose);
    $("play").textContent = "Pause";
    $("play").setAttribute("aria-pressed", true);
    let at = 0;
    this.run((passed, step) => {
      at = (at + (step * this.speed) / STEP) % this.keys.length;
      const items = [...$("keys").children];
      items.forEach((item, i) => item.classList.toggle("now", i === Math.floor(at)));
      this.stage.show(this.at(at));
      return true;
    });
  }

  at(time) {
    const i = Math.floor(time) % this.keys.length;
    return between(this.keys[i], this.keys[(i + 1) % this.keys.length], time - Math.floor(time));
  }

  // Calls `show(milliseconds passed, since the last call)` each frame until it returns false.
  run(show) {
    let begin;
    let last;
    const tick = (now) => {
      begin ??= now;
      const goOn = show(now - begin, now - (last ?? now));
      last = now;
      this.frame = goOn ? requestAnimationFrame(tick) : 0;
    };
    this.frame = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    $("play").textContent = "Play";
    $("play").setAttribute("aria-pressed", false);
    for (const item of $("keys").children) item.classList.remove("now");
  }

  // The loop as evenly spaced poses, and how long each is shown; for a file.
  sample() {
    const each = Math.max(1, Math.min(5, Math.floor(this.studio.max_frames / this.keys.length)));
    const poses = Array.from({ length: this.keys.length * each }, (_, i) => this.at(i / each));
    return { poses, milliseconds: Math.round(Math.min(2000, Math.max(20, STEP / this.speed / each))) };
  }
}
