import { Answer, BROKEN, call, events, one, sentence } from "./talk.js";

const form = one("#ask");

let running = null;

function tell(text) {
  one("#notice").textContent = text;
}

function setRunning(controller) {
  running = controller;
  one("#send").hidden = Boolean(running);
  one("#stop").hidden = !running;
}

function card(title) {
  const root = one("#side").content.firstElementChild.cloneNode(true);
  one("h3", root).textContent = title;
  one("#log").append(root);
  const made = new Answer(root);
  made.wait();
  return made;
}

async function replay() {
  if (running) return;
  const version = new FormData(form).get("version");
  const answer = card(version.slice(0, 12));
  tell("");
  setRunning(new AbortController());
  try {
    await receive(version, answer);
  } catch (error) {
    tell(error.name === "AbortError" ? "Stopped." : error.message);
    if (!answer.said) answer.root.remove();
  } finally {
    answer.stop();
    setRunning(null);
  }
}

async function receive(version, answer) {
  for await (const event of events(await call(`/replay/${form.dataset.turn}`, { version }, running.signal))) {
    if (event.type === "failed") throw new Error(sentence(event.error));
    else if (event.type === "loading") tell(`Serving loads ${event.versions.join(" and ")} first.`);
    else if (event.type === "begun") tell("");
    else if (event.type === "said") answer.say(event.text);
    else {
      answer.end(event);
      answer.tell(event.details);
      tell(`${event.version} has answered.`);
      return;
    }
  }
  throw new Error(BROKEN);
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  replay();
});
one("#stop")?.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
