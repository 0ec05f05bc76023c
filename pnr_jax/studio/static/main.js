// The page: wires the person, the stage and the motions together.

import { describe } from "./api.js";
import { saveGif, savePicture, savePose, saveSheet } from "./files.js";
import { Motion } from "./motion.js";
import { PersonPanel } from "./person.js";
import { fromWire, mirror, parsePose } from "./skeleton.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);

function toast(text, kind) {
  const element = document.createElement("p");
  Object.assign(element, { className: kind, textContent: text });
  const shown = [...$("toasts").children].find((other) => other.textContent === text);
  shown?.remove();
  $("toasts").append(element);
  while ($("toasts").children.length > 4) $("toasts").firstChild.remove();
  setTimeout(() => element.remove(), 7000);
}

const fail = (error) => toast(error.message, "error");
const note = (text) => toast(text, "note");

function chooseTheme() {
  const themes = ["auto", "light", "dark"];
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    $("theme-button").textContent = "◐ " + theme[0].toUpperCase() + theme.slice(1);
    $("theme-button").setAttribute("aria-label", `Theme: ${theme}`);
  };
  apply(localStorage.getItem("theme") ?? "auto");
  $("theme-button").addEventListener("click", () => {
    const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % 3];
    localStorage.setItem("theme", next);
    apply(next);
  });
}

async function start() {
  chooseTheme();
  const studio = await describe();
  const [height, width] = studio.image_size;
  document.documentElement.style.setProperty("--ratio", width / height);
  let motion;
  let person;
  const stage = new Stage({
    studio,
    onfail: fail,
    onlost: () => person.solveAgain(),
    ontouch: () => motion.stop(),
  });
  motion = new Motion({ studio, stage });
  person = new PersonPanel({ studio, onperson: (key) => stage.meet(key), onfail: fail, onnote: note });
  stage.show(fromWire(studio.poses["Walk here"]));
  person.meet(0);

  takeFiles(async (files) => {
    const poses = files.filter((file) => file.name.endsWith(".json"));
    const photos = files.filter((file) => !poses.includes(file));
    for (const file of poses) motion.glide(parsePose(await file.text(), studio.image_size));
    if (photos.length) await person.add(photos);
  });
  $("mirror").addEventListener("click", () => motion.glide(mirror(stage.pose, width)));
  const saves = {
    "save-picture": () => savePicture(stage),
    "save-sheet": () => saveSheet(stage, person),
    "save-gif": () => saveGif(stage, motion),
    "save-pose": () => savePose(stage),
  };
  for (const [id, action] of Object.entries(saves)) {
    $(id).addEventListener("click", async () => {
      $(id).setAttribute("aria-busy", true);
      $(id).disabled = true;
      await Promise.resolve().then(action).catch(fail);
      $(id).disabled = false;
      $(id).removeAttribute("aria-busy");
    });
  }
  $("help-button").addEventListener("click", () => $("help").showModal());
  addEventListener("keydown", (event) => shortcut(event, stage, motion));
  document.documentElement.dataset.ready = "";
}

// Files that are chosen, dropped or pasted.
function takeFiles(take) {
  const takeAll = (list) => take([...list]).catch(fail);
  $("add-photos").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    takeAll($("file").files);
    $("file").value = "";
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (holdsFiles(event)) $("drop").hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    $("drop").hidden = true;
    takeAll(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) takeAll(event.clipboardData.files);
  });
}

function shortcut(event, stage, motion) {
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (control && key === "z") stage[event.shiftKey ? "redo" : "undo"]();
  else if (control && key === "y") stage.redo();
  else if (key === " " && event.target === document.body) motion.playing ? motion.stop() : motion.play();
  else return;
  event.preventDefault();
}

start().catch(fail);
