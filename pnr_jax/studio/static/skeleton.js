// Poses as the page holds them: 18 joints, each [y, x] in pixels of the model's image or null.
// The order is the field's: OpenPose's COCO-18. "Right" is the person's right.

export const JOINTS = [
  "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow",
  "left wrist", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
  "right eye", "left eye", "right ear", "left ear",
];
export const ORDER = "coco18";

// The tree that hangs on the neck: PARENT[child]; parents are placed before their children.
const PARENT = [1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 0, 0, 14, 15];
const FROM_THE_NECK = [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];
export const LIMBS = PARENT.flatMap((parent, child) => (parent < 0 ? [] : [[parent, child]]));
const SWINGING = new Set([3, 4, 6, 7, 9, 10, 12, 13]); // Elbows, wrists, knees, ankles.
const ENDS = new Set([4, 7, 10, 13]); // Wrists and ankles, which pull a chain of two limbs.
const MIRROR = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16];

export const side = (joint) => JOINTS[joint].split(" ")[0]; // "right", "left", else the trunk.
export const copy = (pose) => pose.map((joint) => joint && [...joint]);
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export function fromWire(keypoints) {
  return keypoints.map(([y, x]) => (y === -1 || x === -1 ? null : [y, x]));
}

// A joint outside the picture is missing to the model, as in the data that it learnt from.
export function toWire(pose, [height, width]) {
  const inside = ([y, x]) => y >= -0.5 && x >= -0.5 && y <= height - 0.5 && x <= width - 0.5;
  const rounded = (v) => Math.round(v * 100) / 100;
  return pose.map((joint) => (joint && inside(joint) ? joint.map(rounded) : [-1, -1]));
}

// A pose from a file's text: {"order": "coco18", "image_size": [height, width], "keypoints":
// [[y, x], ...]}; without a size it is that of the model's images.
export function parsePose(text, size) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This pose file is not JSON.");
  }
  const keypoints = value?.keypoints;
  if ((value?.order ?? ORDER) !== ORDER) {
    throw new Error(`The joint order “${value.order}” is unknown; a pose has 18 joints in the order ${ORDER}.`);
  }
  const isNumber = (v) => typeof v === "number" && Number.isFinite(v);
  const isJoint = (row) => Array.isArray(row) && row.length === 2 && row.every(isNumber);
  if (!Array.isArray(keypoints) || keypoints.length !== 18 || !keypoints.every(isJoint)) {
    throw new Error(`A pose file holds “keypoints”: 18 pairs [y, x] in the order ${ORDER}.`);
  }
  const pose = fromWire(keypoints);
  if (!pose.some(Boolean)) throw new Error("No joint of this pose is visible.");
  const from = value.image_size ?? size;
  if (!isJoint(from) || Math.min(...from) <= 0) {
    throw new Error("The “image_size” of this pose file is not [height, width].");
  }
  return pose.map((joint) => joint && joint.map((v, axis) => ((v + 0.5) * size[axis]) / from[axis] - 0.5));
}

function descendants(joint) {
  const found = [joint];
  for (const child of FROM_THE_NECK) if (found.includes(PARENT[child])) found.push(child);
  return found;
}

// The pose after `joint` of `start` is dragged to `to`. What hangs on the joint comes along; a wrist
// or an ankle pulls its elbow or knee; with `alone` nothing else moves.
export function drag(start, joint, to, alone = false) {
  const pose = copy(start);
  const from = start[joint];
  if (alone || !from) {
    pose[joint] = [...to];
    return pose;
  }
  for (const moved of descendants(joint)) {
    if (pose[moved]) pose[moved] = [pose[moved][0] + to[0] - from[0], pose[moved][1] + to[1] - from[1]];
  }
  if (ENDS.has(joint)) bend(pose, start, joint, to);
  return pose;
}

// Places the middle joint of a chain of two limbs, whose lengths stay as long as they can.
function bend(pose, start, end, to) {
  const middle = PARENT[end];
  const root = PARENT[middle];
  const [a, b, c] = [start[root], start[middle], start[end]];
  if (!a || !b) return;
  const upper = length(a, b);
  const lower = length(b, c);
  const reach = Math.max(length(a, to), 1e-6);
  const [dy, dx] = [(to[0] - a[0]) / reach, (to[1] - a[1]) / reach];
  const folded = Math.max(Math.abs(upper - lower), Math.min(reach, upper + lower));
  const along = reach >= upper + lower
    ? (reach * upper) / (upper + lower)
    : (upper ** 2 - lower ** 2 + folded ** 2) / (2 * Math.max(folded, 1e-6));
  const aside = reach >= upper + lower ? 0 : Math.sqrt(Math.max(upper ** 2 - along ** 2, 0));
  const cross = (c[1] - a[1]) * (b[0] - a[0]) - (c[0] - a[0]) * (b[1] - a[1]);
  const straight = Math.abs(cross) < 0.02 * upper * lower;
  const way = straight ? (side(end) === "right" ? 1 : -1) : Math.sign(cross);
  pose[middle] = [a[0] + dy * along + way * dx * aside, a[1] + dx * along - way * dy * aside];
}

const length = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const mix = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];

// Between two poses arms and legs swing on circles about their parents; the trunk and the head,
// which turn in depth, move straight. A joint that one of them lacks is there in its half.
export function between(a, b, t) {
  const pose = new Array(18).fill(null);
  for (const joint of FROM_THE_NECK) {
    const parent = PARENT[joint];
    if (!a[joint] || !b[joint]) {
      const nearer = t < 0.5 ? a : b;
      pose[joint] = nearer[joint] && follow(nearer, pose, joint, parent);
    } else if (parent >= 0 && a[parent] && b[parent] && pose[parent]) {
      const [dy, dx] = swing(a, b, t, joint, parent);
      pose[joint] = [pose[parent][0] + dy, pose[parent][1] + dx];
    } else {
      pose[joint] = mix(a[joint], b[joint], t);
    }
  }
  return pose;
}

function follow(given, pose, joint, parent) {
  if (parent < 0 || !given[parent] || !pose[parent]) return [...given[joint]];
  return given[joint].map((v, axis) => v + pose[parent][axis] - given[parent][axis]);
}

function swing(a, b, t, joint, parent) {
  const start = [a[joint][0] - a[parent][0], a[joint][1] - a[parent][1]];
  const end = [b[joint][0] - b[parent][0], b[joint][1] - b[parent][1]];
  const lengths = [Math.hypot(...start), Math.hypot(...end)];
  if (!SWINGING.has(joint) || Math.min(...lengths) < 1e-6) return mix(start, end, t);
  const angle = Math.atan2(...start);
  let turn = Math.atan2(...end) - angle;
  turn -= 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  const r = lengths[0] + (lengths[1] - lengths[0]) * t;
  return [r * Math.sin(angle + turn * t), r * Math.cos(angle + turn * t)];
}

// The pose in a mirror: what was right is left.
export function mirror(pose, width) {
  return MIRROR.map((joint) => pose[joint] && [pose[joint][0], width - 1 - pose[joint][1]]);
}

// Where a missing joint comes back: as in the `model` pose, beside its nearest visible ancestor.
export function place(pose, joint, model) {
  for (let near = PARENT[joint]; near >= 0; near = PARENT[near]) {
    if (pose[near] && model[near]) return follow(model, pose, joint, near);
  }
  return [...model[joint]];
}
