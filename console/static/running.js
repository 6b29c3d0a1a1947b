import { one } from "./talk.js";

let running = null;

function setRunning(controller) {
  running = controller;
  one("#send").hidden = Boolean(running);
  one("#stop").hidden = !running;
}

export function tell(text) {
  one("#notice").textContent = text;
}

export const isRunning = () => Boolean(running);

/** Does `work(signal)`, which the button and Escape stop; gives the error it ended with, `afterwards` in any case. */
export async function stoppable(work, afterwards) {
  setRunning(new AbortController());
  try {
    await work(running.signal);
  } catch (error) {
    return error;
  } finally {
    afterwards();
    setRunning(null);
  }
  return null;
}

one("#stop")?.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
