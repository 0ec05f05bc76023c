// A skeleton over a picture, to drag by mouse, finger or keys.

import { JOINTS, LIMBS, copy, drag, side } from "./skeleton.js";

const NEAR = { mouse: 22, pen: 26, touch: 34 }; // CSS pixels from a joint that still grab it.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A small skeleton that nobody drags.
export function thumbnail(pose, [height, width]) {
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", class: "skeleton" });
  for (const [parent, child] of LIMBS) {
    if (pose[parent] && pose[child]) picture.append(limb(pose[parent], pose[child], side(child)));
  }
  return picture;
}

function limb(from, to, which) {
  const ends = { x1: from[1] + 0.5, y1: from[0] + 0.5, x2: to[1] + 0.5, y2: to[0] + 0.5 };
  return svg("line", { ...ends, class: `limb ${which}` });
}

// Buttons that bring missing joints back, in `element`.
export function listMissing(element, pose, onrestore) {
  const gone = JOINTS.map((_, joint) => joint).filter((joint) => !pose[joint]);
  if (element.dataset.gone === gone.join()) return;
  element.dataset.gone = gone.join();
  element.hidden = !gone.length;
  element.replaceChildren(...gone.map((joint) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "chip", textContent: `+ ${JOINTS[joint]}` });
    button.addEventListener("click", () => onrestore(joint));
    return button;
  }));
}

export class Editor {
  // `alone`: whether a plain drag moves one joint (and Shift what hangs on it), for corrections.
  // `onmove(pose, stamp)` follows every movement, `onrest(before)` the end of one.
  constructor(element, { size, alone = false, onmove, onrest }) {
    Object.assign(this, { element, size, alone, onmove, onrest });
    this.pose = new Array(18).fill(null);
    this.enabled = true;
    element.setAttribute("viewBox", `0 0 ${size[1]} ${size[0]}`);
    this.limbs = LIMBS.map(([, child]) => [
      svg("line", { class: "limb shade" }),
      svg("line", { class: `limb ${side(child)}` }),
    ]);
    this.joints = JOINTS.map((name, joint) => this.makeJoint(name, joint));
    element.append(...this.limbs.map(([shade]) => shade), ...this.limbs.map(([, line]) => line), ...this.joints);
    new ResizeObserver(() => this.update()).observe(element);
    element.addEventListener("pointerdown", (event) => this.grab(event));
    // A finger on a joint drags it; elsewhere it scrolls the page.
    element.addEventListener("touchstart", (event) => {
      const touch = event.touches[0];
      if (this.enabled && this.nearest(touch, NEAR.touch) >= 0) event.preventDefault();
    }, { passive: false });
  }

  makeJoint(name, joint) {
    const circle = svg("circle", { class: "dot" });
    const group = svg("g", { class: `joint ${side(joint)}`, tabindex: 0, role: "button", "aria-roledescription": "joint" }, svg("circle", { class: "ring" }), circle);
    group.append(svg("title"));
    group.addEventListener("keydown", (event) => this.press(event, joint));
    return group;
  }

  show(pose) {
    this.pose = pose;
    this.update();
  }

  enable(on) {
    this.enabled = on;
    this.element.classList.toggle("resting", !on);
    for (const joint of this.joints) joint.setAttribute("tabindex", on ? 0 : -1);
  }

  update() {
    const unit = this.size[1] / (this.element.clientWidth || this.size[1]); // A CSS pixel here.
    const radius = Math.min(6, Math.max(4, this.element.clientWidth / 46)) * unit;
    this.limbs.forEach((lines, i) => {
      const [from, to] = LIMBS[i].map((joint) => this.pose[joint]);
      for (const line of lines) {
        line.toggleAttribute("hidden", !(from && to));
        if (!from || !to) continue;
        line.setAttribute("x1", from[1] + 0.5);
        line.setAttribute("y1", from[0] + 0.5);
        line.setAttribute("x2", to[1] + 0.5);
        line.setAttribute("y2", to[0] + 0.5);
      }
    });
    this.joints.forEach((group, joint) => {
      const at = this.pose[joint];
      group.toggleAttribute("hidden", !at);
      if (!at) return;
      group.setAttribute("transform", `translate(${at[1] + 0.5} ${at[0] + 0.5})`);
      const head = joint === 0 || joint >= 14;
      group.querySelector(".dot").setAttribute("r", head ? radius * 0.75 : radius);
      group.querySelector(".ring").setAttribute("r", radius * 2);
      const label = `${JOINTS[joint]}, ${Math.round(at[1])} across, ${Math.round(at[0])} down`;
      group.setAttribute("aria-label", label);
      group.querySelector("title").textContent = JOINTS[joint];
    });
  }

  // [y, x] in pixels of the model, under a pointer.
  locate({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    return [
      ((clientY - box.top) / box.height) * this.size[0] - 0.5,
      ((clientX - box.left) / box.width) * this.size[1] - 0.5,
    ];
  }

  nearest(pointer, limit) {
    const box = this.element.getBoundingClientRect();
    const unit = box.width / this.size[1];
    const [y, x] = this.locate(pointer);
    let best = -1;
    let distance = limit / unit;
    this.pose.forEach((at, joint) => {
      const d = at ? Math.hypot(at[0] - y, at[1] - x) : Infinity;
      if (d < distance) [best, distance] = [joint, d];
    });
    return best;
  }

  grab(event) {
    const joint = this.enabled ? this.nearest(event, NEAR[event.pointerType] ?? NEAR.mouse) : -1;
    if (joint < 0 || event.button !== 0) return;
    event.preventDefault();
    const { element, pose: start } = this;
    const group = this.joints[joint];
    group.focus({ preventScroll: true });
    group.classList.add("held");
    element.setPointerCapture(event.pointerId);
    const grip = this.locate(event).map((v, axis) => start[joint][axis] - v);
    const move = (moved) => {
      if (moved.pointerId !== event.pointerId) return;
      const to = this.locate(moved).map((v, axis) => v + grip[axis]);
      this.show(drag(start, joint, to, moved.shiftKey !== this.alone));
      this.onmove(this.pose, moved.timeStamp);
    };
    const drop = (ended) => {
      if (ended.pointerId !== event.pointerId) return;
      group.classList.remove("held");
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", drop);
      element.removeEventListener("pointercancel", drop);
      if (this.pose !== start) this.onrest(start);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", drop);
    element.addEventListener("pointercancel", drop);
  }

  press(event, joint) {
    const start = this.pose;
    const at = start[joint];
    if (!at || !this.enabled || event.ctrlKey || event.metaKey) return;
    if (event.key in STEPS) {
      const step = (event.altKey ? 0.25 : 1) * (this.size[0] / 64);
      const to = at.map((v, axis) => v + step * STEPS[event.key][axis]);
      this.show(drag(start, joint, to, event.shiftKey !== this.alone));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (start.filter(Boolean).length < 2) return;
      const pose = copy(start);
      pose[joint] = null;
      const next = this.joints.find((g, i) => i > joint && pose[i]) ?? this.joints.find((g, i) => pose[i]);
      next.focus();
      this.show(pose);
    } else {
      return;
    }
    event.preventDefault();
    this.onmove(this.pose, event.timeStamp);
    this.onrest(start);
  }
}
