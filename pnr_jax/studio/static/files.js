// What the user takes home: the picture, a sheet, a GIF, a pose.

import { animate } from "./api.js";
import { thumbnail } from "./editor.js";
import { ORDER, toWire } from "./skeleton.js";

const ZOOM_TO = 384; // Pixels that a sheet's pictures are high, at least.

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const png = (canvas) => canvas.convertToBlob({ type: "image/png" });

// The pictures side by side, pixel by pixel as the model draws them.
export async function savePicture(stage) {
  const pictures = stage.pictures();
  const [height, width] = stage.size;
  const canvas = new OffscreenCanvas(pictures.length * width, height);
  pictures.forEach(({ canvas: picture }, i) => canvas.getContext("2d").drawImage(picture, i * width, 0));
  save(await png(canvas), "person.png");
}

// Sources, target pose and pictures in a row, enlarged, with headings.
export async function saveSheet(stage, person) {
  const zoom = Math.max(1, Math.ceil(ZOOM_TO / stage.size[0]));
  const [height, width] = stage.size.map((side) => side * zoom);
  const used = person.people().flatMap(({ views }) => views);
  const sources = await Promise.all(used.map(async (view, i) => {
    const blob = await (await fetch(`/api/photos/${view.photo}`)).blob();
    return { name: `source ${i + 1}`, canvas: await createImageBitmap(blob) };
  }));
  const skeleton = { name: "pose", canvas: await rasterise(thumbnail(stage.pose, stage.size), width, height) };
  const columns = [...sources, skeleton, ...stage.pictures()];
  const [gap, head] = [12, 34];
  const canvas = new OffscreenCanvas(columns.length * (width + gap) + gap, height + head + gap);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.font = "15px system-ui, sans-serif";
  columns.forEach(({ name, canvas: picture }, i) => {
    const x = gap + i * (width + gap);
    context.fillStyle = "#333";
    context.fillText(name, x, 23);
    context.drawImage(picture, x, head, width, height);
  });
  save(await png(canvas), "sheet.png");
}

async function rasterise(picture, width, height) {
  const colours = { right: "#f5a524", left: "#4cb3ff" };
  picture.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  picture.setAttribute("width", width);
  picture.setAttribute("height", height);
  for (const line of picture.querySelectorAll("line")) {
    line.setAttribute("stroke", colours[line.classList[1]] ?? "#fff");
    line.setAttribute("stroke-width", picture.viewBox.baseVal.width / 26);
    line.setAttribute("stroke-linecap", "round");
  }
  const image = new Image(width, height);
  image.src = URL.createObjectURL(new Blob([picture.outerHTML], { type: "image/svg+xml" }));
  await image.decode();
  URL.revokeObjectURL(image.src);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#12141a";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return canvas;
}

export async function saveGif(stage, motion) {
  const { poses, milliseconds } = motion.sample();
  const wires = poses.map((pose) => toWire(pose, stage.size));
  save(await animate(stage.person, stage.chosen, wires, milliseconds), "motion.gif");
}

export function savePose(stage) {
  const text = JSON.stringify({ order: ORDER, image_size: stage.size, keypoints: toWire(stage.pose, stage.size) });
  save(new Blob([text], { type: "application/json" }), "pose.json");
}
