import { isRunning, stoppable, tell } from "./running.js";
import { Answer, BROKEN, call, events, one, sentence } from "./talk.js";

const form = one("#ask");

function card(title) {
  const root = one("#side").content.firstElementChild.cloneNode(true);
  one("h3", root).textContent = title;
  one("#log").append(root);
  const made = new Answer(root);
  made.wait();
  return made;
}

async function replay() {
  if (isRunning()) return;
  const version = new FormData(form).get("version");
  const answer = card(version.slice(0, 12));
  tell("");
  const failed = await stoppable(
    (signal) => receive(version, answer, signal),
    () => answer.stop(),
  );
  if (!failed) return;
  tell(failed.name === "AbortError" ? "Stopped." : failed.message);
  if (!answer.said) answer.root.remove();
}

async function receive(version, answer, signal) {
  for await (const event of events(await call(`/replay/${form.dataset.turn}`, { version }, signal))) {
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
