// The person: up to five photos, used or not, with their skeletons and the regions taken from them.

import { addPerson, addPhoto, mixPeople, newest } from "./api.js";
import { Editor, listMissing, thumbnail } from "./editor.js";
import { Regions } from "./regions.js";
import { copy, fromWire, place, toWire } from "./skeleton.js";

const $ = (id) => document.getElementById(id);
const HINTS = {
  joints: "Drag the joints to where they are; Shift takes along what hangs on them.",
  hidden: "Draw boxes: the regression does not see what they hide.",
  painted: "Draw boxes: they are painted over, and the regression sees it.",
};

export class PersonPanel {
  // `onperson(key)` when F of the present sources is on the server; `onfail(error)`; `onnote(text)`.
  constructor({ studio, onperson, onfail, onnote }) {
    Object.assign(this, { studio, onperson, onfail, onnote });
    this.size = studio.image_size;
    this.standing = fromWire(studio.poses.Stand);
    this.views = []; // {photo, file, name, pose, on, hidden, painted}
    this.own = false;
    this.selected = 0;
    this.present = null; // {views, key}: the photos in use, and their F on the server once solved.
    this.kept = null; // The same of the person to mix with.
    this.solveNewest = newest(() => this.solve(), $("source"));
    this.editor = new Editor($("source-skeleton"), {
      size: this.size,
      alone: true,
      onmove: (pose) => this.change({ pose }),
      onrest: () => this.list(),
    });
    this.regions = new Regions($("source-skeleton"), {
      size: this.size,
      region: studio.region,
      onpaint: (tool, cells) => this.change({ [tool]: cells }),
    });
    for (const input of $("tools").querySelectorAll("input")) {
      input.addEventListener("change", () => this.choose(input.value));
    }
    this.choose("joints");
    $("wipe").addEventListener("click", () => {
      this.change({ hidden: [], painted: [] });
      this.open(this.selected);
    });
    $("remove").addEventListener("click", () => this.remove(this.selected));
    this.makePeople();
    $("mix").hidden = !studio.mixes;
    $("keep-person").addEventListener("click", () => this.keep());
    $("unmix").addEventListener("click", () => this.mixWith(null));
    $("share").addEventListener("input", () => this.share());
  }

  makePeople() {
    this.studio.people.forEach((views, i) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "face" });
      button.setAttribute("aria-label", `Person ${i + 1}`);
      const image = document.createElement("img");
      Object.assign(image, { src: `/api/photos/${views[0].photo}`, alt: "" });
      button.append(image);
      button.addEventListener("click", () => this.meet(i));
      $("people").append(button);
    });
  }

  // A built-in person: five views, the first of them used.
  meet(i) {
    this.own = false;
    [...$("people").children].forEach((button, j) => button.setAttribute("aria-pressed", i === j));
    this.views = this.studio.people[i].map(({ photo, keypoints }, view) => ({
      ...{ photo, file: null, name: `View ${view + 1}`, pose: fromWire(keypoints), on: view === 0 },
      ...{ hidden: [], painted: [] },
    }));
    this.open(0);
    this.encode();
  }

  // Photos of the user's own; they take the place of a built-in person.
  async add(files) {
    const limit = this.studio.max_sources;
    const room = limit - (this.own ? this.views.length : 0);
    const notes = new Map(); // What to say, of which files.
    for (const file of files.slice(0, room)) {
      const note = await this.addOne(file).catch((error) => this.onfail(new Error(`${file.name}: ${error.message}`)));
      if (note) notes.set(note, [...(notes.get(note) ?? []), file.name]);
    }
    for (const [note, names] of notes) this.onnote(`${names.join(", ")}: ${note}`);
    if (files.length > room) {
      this.onfail(new Error(`A person takes 1 to ${limit} photos: ${files.length - room} left out.`));
    }
    if (!this.own) return;
    for (const button of $("people").children) button.setAttribute("aria-pressed", false);
    this.open(this.views.length - 1);
    this.encode();
  }

  // Returns what there is to say about the photo.
  async addOne(file) {
    const megabytes = Math.round(this.studio.max_upload / 1e6);
    if (file.size > this.studio.max_upload) throw new Error(`It is larger than ${megabytes} MB.`);
    const { photo, keypoints, note } = await addPhoto(file);
    if (!this.own) this.views = [];
    this.own = true;
    const pose = keypoints ? fromWire(keypoints) : copy(this.standing);
    this.views.push({ photo, file, name: file.name, pose, on: true, hidden: [], painted: [] });
    return note || (keypoints ? "" : "Drag the skeleton onto the person.");
  }

  choose(tool) {
    this.editor.enable(tool === "joints");
    this.regions.choose(tool === "joints" ? null : tool);
    $("tool-hint").textContent = HINTS[tool];
  }

  open(i) {
    this.selected = Math.min(i, this.views.length - 1);
    const view = this.views[this.selected];
    $("source-image").src = `/api/photos/${view.photo}`;
    $("source-image").alt = view.name;
    this.editor.show(view.pose);
    this.regions.show(view.hidden, view.painted);
    this.list();
  }

  change(changes) {
    Object.assign(this.views[this.selected], changes);
    if (!this.views[this.selected].on) this.toggle(this.selected);
    else this.encode();
    if (!("pose" in changes)) this.list();
  }

  toggle(i) {
    const others = this.views.filter((view, j) => view.on && j !== i);
    if (this.views[i].on && !others.length) {
      this.onnote("At least one photo must be used.");
    } else {
      this.views[i].on = !this.views[i].on;
      this.encode();
    }
    this.list();
  }

  remove(i) {
    if (this.views.length === 1) {
      this.onnote("This is the only photo: add another one first.");
      return;
    }
    const [gone] = this.views.splice(i, 1);
    if (gone.on && !this.views.some((view) => view.on)) this.views[0].on = true;
    this.open(Math.min(i, this.views.length - 1));
    this.encode();
  }

  // A missing joint of the selected photo comes back.
  restore(joint) {
    const view = this.views[this.selected];
    const pose = copy(view.pose);
    pose[joint] = place(pose, joint, this.standing);
    this.change({ pose });
    this.open(this.selected);
  }

  list() {
    const used = this.views.filter((view) => view.on).length;
    $("source-count").textContent = `${used} of ${this.views.length} used`;
    const focused = document.activeElement?.dataset?.key;
    $("views").replaceChildren(...this.views.map((view, i) => this.makeView(view, i)));
    if (focused) $("views").querySelector(`[data-key="${focused}"]`)?.focus();
    listMissing($("source-missing"), this.views[this.selected].pose, (joint) => this.restore(joint));
    $("wipe").disabled = !(this.views[this.selected].hidden.length + this.views[this.selected].painted.length);
  }

  makeView(view, i) {
    const image = document.createElement("img");
    Object.assign(image, { src: `/api/photos/${view.photo}`, alt: "" });
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "frame" });
    button.dataset.key = `open-${i}`;
    button.setAttribute("aria-label", `Edit ${view.name}`);
    button.setAttribute("aria-pressed", i === this.selected);
    button.append(image, thumbnail(view.pose, this.size));
    button.addEventListener("click", () => this.open(i));
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", checked: view.on });
    box.dataset.key = `use-${i}`;
    box.setAttribute("aria-label", `Use ${view.name}`);
    box.addEventListener("change", () => this.toggle(i));
    const item = document.createElement("li");
    item.classList.toggle("off", !view.on);
    item.append(button, box);
    return item;
  }

  // The person on the page is kept: whoever is chosen next is mixed with them.
  keep() {
    const { views, key } = this.present;
    this.mixWith({ views: views.map((view) => ({ ...view })), key });
    this.onnote("Now choose somebody else: the slider mixes the two.");
  }

  mixWith(person) {
    this.kept = person;
    $("keep-person").hidden = person !== null;
    $("mixing").hidden = person === null;
    if (person) $("kept").src = `/api/photos/${person.views[0].photo}`;
    $("share").value = 0.5;
    $(person ? "share" : "keep-person").focus();
    this.share();
  }

  share() {
    $("share-shown").value = `${Math.round(100 * $("share").value)}%`;
    this.solveNewest();
  }

  // The photos in use have changed.
  encode() {
    this.present = { views: this.views.filter((view) => view.on), key: null };
    this.solveNewest();
  }

  // The server no longer keeps F.
  solveAgain() {
    for (const person of this.people()) person.key = null;
    this.solveNewest();
  }

  people() {
    return [this.present, this.kept].filter((person) => person !== null);
  }

  // Solves for F where the server does not have it yet.
  async solve(again = true) {
    const people = this.people();
    try {
      for (const person of people) person.key ??= await addPerson(person.views.map((view) => this.source(view)));
      const keys = people.map(({ key }) => key);
      this.onperson(keys.length === 1 ? keys[0] : await mixPeople(keys, Number($("share").value)));
    } catch (error) {
      if (error.status !== 404 || !again) return this.onfail(error);
      for (const person of people) person.key = null;
      try {
        for (const { views } of people) await this.upload(views);
      } catch (refusal) {
        return this.onfail(refusal);
      }
      await this.solve(false);
    }
  }

  source({ photo, pose, hidden, painted }) {
    return { photo, keypoints: toWire(pose, this.size), hidden, painted };
  }

  // The server keeps a bounded number of photos; the page has its own.
  async upload(views) {
    for (const view of views.filter((view) => view.file)) view.photo = (await addPhoto(view.file)).photo;
  }
}
