// Talks to the server: requests, refusals as errors, and "only the newest counts".

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, "The studio's server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Refused(response.status, error ?? `The server answered ${response.status}.`);
}

const post = (path, body) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

export const describe = async () => (await ask("/api/studio")).json();
export const addPerson = async (sources) => (await (await post("/api/people", { sources })).json()).person;

export const mixPeople = async (people, share) =>
  (await (await post("/api/mixes", { people, share })).json()).person;

export async function addPhoto(file) {
  const headers = { "Content-Type": file.type };
  return (await ask("/api/photos", { method: "POST", headers, body: file })).json();
}

// A picture as a blob; null when a newer request overtook this one.
export async function draw(person, models, keypoints) {
  const response = await post("/api/pictures", { person, models, keypoints });
  return response.status === 204 ? null : response.blob();
}

export async function animate(person, models, poses, milliseconds) {
  return (await post("/api/animations", { person, models, poses, milliseconds })).blob();
}

// A function that runs `work` on its newest argument alone: one run at a time, no queue. Meanwhile
// `element` is busy.
export function newest(work, element) {
  let running = false;
  let waiting = null;
  return async function call(argument) {
    waiting = { argument };
    if (running) return;
    running = true;
    element?.setAttribute("aria-busy", true);
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await work(next.argument);
      }
    } finally {
      running = false;
      element?.removeAttribute("aria-busy");
    }
  };
}
