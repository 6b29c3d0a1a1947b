import { isRunning, stoppable, tell } from "./running.js";
import { all, Answer, BROKEN, call, events, one, sentence } from "./talk.js";

const form = one("#ask");
const sides = Object.fromEntries(all("[data-side]").map((side) => [side.dataset.side, new Answer(side)]));

let comparison = null;

function offerPicks(id) {
  comparison = id;
  one("#picks").hidden = !id;
  for (const button of all("[data-pick]")) button.disabled = !id;
  if (id) one("#picks").focus({ preventScroll: true });
}

function reveal(told, picked) {
  for (const [name, side] of Object.entries(told)) {
    one("h3", sides[name].root).textContent = `${name.toUpperCase()}: ${side.version}`;
    sides[name].root.classList.toggle("picked", name === picked);
    sides[name].tell(side.details);
  }
}

function names(told) {
  return Object.entries(told)
    .map(([name, side]) => `${name.toUpperCase()} was ${side.version}`)
    .join(", ");
}

async function ask() {
  if (isRunning()) return;
  const fields = new FormData(form);
  const versions = [fields.get("first"), fields.get("second")];
  const body = { versions, turn: fields.get("turn"), text: fields.get("text") ?? "" };
  for (const [name, side] of Object.entries(sides)) {
    side.wait();
    side.root.classList.remove("picked");
    one("h3", side.root).textContent = name.toUpperCase();
  }
  offerPicks(null);
  tell("Both are answering.");
  one("#answers").hidden = false;
  const failed = await stoppable(
    (signal) => receive(body, signal),
    () => Object.values(sides).forEach((side) => side.stop()),
  );
  if (failed) tell(failed.name === "AbortError" ? "Stopped; ask again to compare." : failed.message);
}

async function receive(body, signal) {
  for await (const event of events(await call("/compare/ask", body, signal))) {
    if (event.type === "failed") throw new Error(sentence(event.error));
    else if (event.type === "loading") tell(`Serving loads ${event.versions.join(" and ")} first.`);
    else if (event.type === "begun") tell("Both are answering.");
    else if (event.type === "said") sides[event.side].say(event.text);
    else if (event.type === "ended") sides[event.side].end(event);
    else {
      settle(event);
      return;
    }
  }
  throw new Error(BROKEN);
}

function settle(event) {
  if (event.type === "same") {
    reveal(event.sides);
    tell(`Both said the same, so there is nothing to pick: ${names(event.sides)}.`);
  } else {
    tell("Which is better?");
    offerPicks(event.id);
  }
}

async function pick(button) {
  const id = comparison;
  if (!id) return;
  offerPicks(null);
  try {
    const told = await (await call("/compare/pick", { id, pick: button.dataset.pick })).json();
    reveal(told.sides, button.dataset.pick);
    tell(`Noted. ${names(told.sides)}.`);
    document.body.dispatchEvent(new Event("picked"));
    (one("#box") ?? one("#send")).focus();
  } catch (error) {
    tell(error.message);
  }
}

async function agree(button) {
  try {
    await call("/consent", { consent: "yes" });
    button.parentElement.hidden = true;
    tell("Noted: it may learn from what you write.");
  } catch (error) {
    tell(error.message);
  }
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
one("#box")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
for (const button of all("[data-pick]")) button.addEventListener("click", () => pick(button));
for (const button of all("#consent button")) button.addEventListener("click", () => agree(button));
