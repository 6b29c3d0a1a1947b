"use strict";

const AWAY = "The console cannot be reached; is it still running?";
const BROKEN = "The answer broke off; please ask again.";

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const box = one("#box");
const log = one("#log");

let running = null;

async function call(path, body, signal) {
  const headers = { Accept: "application/json", "X-CSRF-Token": one("meta[name=csrf]").content };
  const sent = { method: "POST", body: JSON.stringify(body), signal };
  const options = body
    ? { headers: { ...headers, "Content-Type": "application/json" }, ...sent }
    : { headers };
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(AWAY);
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({ error: "Something went wrong here; the console's log says what." }));
    throw new Error(sentence(told.error));
  }
  return response;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Error(BROKEN);
    }
    if (part.done) return;
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function tell(text) {
  one("#notice").textContent = text;
  one("#notice").scrollIntoView({ block: "nearest" });
}

function showProgress(text) {
  if (text) one("#progress").textContent = text;
}

function isAtEnd() {
  return window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
}

function scrollToEnd() {
  window.scrollTo({ top: document.body.scrollHeight });
}

class Turn {
  constructor(question) {
    this.element = one("#turn").content.firstElementChild.cloneNode(true);
    this.answer = { text: "", turn_id: null };
    this.editor = one(".editor", this.element);
    this.part(".question").textContent = question;
    this.question = question;
    this.listen();
    log.append(this.element);
  }

  part(selector) {
    return one(selector, this.element);
  }

  listen() {
    for (const thumb of all("[data-rate]", this.element)) {
      thumb.addEventListener("click", () => this.rate(Number(thumb.dataset.rate)));
    }
    this.part(".correct").addEventListener("click", () => this.openCorrection());
    this.part(".again").addEventListener("click", () => answerAgain(this));
    this.part(".cancel").addEventListener("click", () => this.closeEditor());
    this.editor.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(one("textarea", this.editor).value);
    });
    this.editor.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.closeEditor();
    });
    this.part(".text").addEventListener("click", (event) => {
      if (event.target.dataset.source) this.openSource(event.target.dataset.source);
    });
  }

  begin(event) {
    this.show({ ...event, text: "", unfinished: true });
  }

  say(text) {
    const follow = isAtEnd();
    this.answer.text += text;
    this.part(".waiting").hidden = true;
    this.part(".text").replaceChildren(...rendered(this.answer.text, []));
    if (follow) scrollToEnd();
  }

  stop() {
    this.show({ ...this.answer, unfinished: false, stopped: true, draft: this.answer.text });
  }

  show(answer) {
    const follow = isAtEnd();
    this.answer = { rating: 0, correction: null, citations: [], ...answer };
    this.element.setAttribute("aria-busy", Boolean(answer.unfinished));
    this.part(".waiting").hidden = !answer.unfinished;
    this.part(".text").replaceChildren(...rendered(answer.text, this.answer.citations));
    this.part(".facts").replaceChildren(...facts(answer));
    this.part(".choices").replaceChildren(...(answer.choices ?? []).map((choice) => this.choice(choice)));
    this.part(".sources").replaceChildren(...this.answer.citations.map(source));
    this.part(".actions").hidden = Boolean(answer.unfinished) || !answer.turn_id;
    this.closeEditor();
    this.showFeedback();
    this.note(answer.unfinished || answer.turn_id ? "" : "This answer could not be stored, so it takes no feedback.");
    if (follow) scrollToEnd();
  }

  choice({ text, probability }) {
    const made = element("button", `${text} · ${Math.round(100 * probability)} %`, "quiet");
    made.type = "button";
    made.title = text === this.answer.text ? "This is right" : "This would have been right";
    made.addEventListener("click", () => (text === this.answer.text ? this.rate(1) : this.correct(text)));
    return made;
  }

  showFeedback() {
    for (const thumb of all("[data-rate]", this.element)) {
      thumb.setAttribute("aria-pressed", Number(thumb.dataset.rate) === this.answer.rating);
    }
    const correction = this.part(".correction");
    correction.hidden = !this.answer.correction;
    one("p", correction).textContent = this.answer.correction ?? "";
  }

  openSource(number) {
    const details = this.part(`[data-number="${number}"]`);
    details.open = true;
    one("summary", details).focus();
  }

  async rate(value) {
    const next = this.answer.rating === value ? 0 : value;
    const kept = await this.store("/rate", { value: next }, next ? "Noted, thank you." : "Taken back.");
    if (!kept) return;
    this.answer.rating = next;
    this.showFeedback();
    if (next === -1) this.openEditor("What was wrong? (optional)", "", (reason) => this.giveReason(reason));
    else this.closeEditor();
  }

  async giveReason(reason) {
    if (await this.store("/rate", { value: -1, reason }, "Noted, thank you.")) this.closeEditor();
  }

  openCorrection() {
    const now = this.answer.correction ?? this.answer.draft;
    this.openEditor("What should the answer have been?", now, (text) => this.correct(text));
    this.part(".correct").setAttribute("aria-expanded", "true");
  }

  async correct(text) {
    const said = "Noted; it answers as soon as an operator approves it.";
    if (!(await this.store("/correct", { text }, said))) return;
    this.answer.correction = text.trim();
    this.showFeedback();
    this.closeEditor();
    this.part(".correct").focus();
  }

  openEditor(label, text, send) {
    this.send = send;
    const area = one("textarea", this.editor);
    one("span", this.editor).textContent = label;
    area.value = text;
    this.editor.hidden = false;
    grow(area);
    area.focus({ preventScroll: true });
    this.editor.scrollIntoView({ block: "nearest" });
  }

  closeEditor() {
    this.editor.hidden = true;
    this.part(".correct").setAttribute("aria-expanded", "false");
  }

  async store(path, body, said) {
    try {
      const response = await call(path, { turn_id: this.answer.turn_id, ...body });
      showProgress((await response.json()).progress);
      this.note(said);
      return true;
    } catch (error) {
      this.note(error.message);
      return false;
    }
  }

  note(text) {
    this.part(".noted").textContent = text;
  }
}

function rendered(text, citations) {
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim())
    .flatMap((block) => paragraphs(block.trim(), citations));
}

function paragraphs(block, citations) {
  const found = [];
  for (const line of block.split("\n")) {
    const quoted = /^“.*”( ?\[\d+\])+$/.test(line);
    if (!quoted && found.length && found.at(-1).tagName === "P") found.at(-1).append("\n");
    else found.push(element(quoted ? "blockquote" : "p", ""));
    found.at(-1).append(...spans(line, citations));
  }
  return found;
}

function spans(line, citations) {
  return line.split(/(\*\*[^*]+\*\*|`[^`]+`|\[\d+\])/).map((span) => {
    if (/^\*\*[^*]+\*\*$/.test(span)) return element("strong", span.slice(2, -2));
    if (/^`[^`]+`$/.test(span)) return element("code", span.slice(1, -1));
    const number = /^\[(\d+)\]$/.exec(span)?.[1];
    return citations.some((c) => String(c.number) === number) ? mark(number) : span;
  });
}

function mark(number) {
  const made = element("button", number, "mark");
  made.type = "button";
  made.dataset.source = number;
  made.setAttribute("aria-label", `Source ${number}`);
  return made;
}

function facts(answer) {
  const shown = [];
  if (answer.origin === "approved") shown.push(element("span", "✓ checked by a person", "checked"));
  if (answer.origin === "quote") shown.push(element("span", "“ ” quoted from the sources", "quoted"));
  if (answer.stopped) shown.push(element("span", "stopped"));
  if (answer.outcome) shown.push(element("span", answer.outcome, "outcome"));
  shown.push(element("span", "answered by "));
  shown.at(-1).append(element("code", answer.version));
  return shown;
}

function source(citation) {
  const made = one("#source").content.firstElementChild.cloneNode(true);
  const details = one("details", made);
  details.dataset.number = citation.number;
  const where = [citation.source, citation.title].filter(Boolean).join(" › ");
  one("summary", made).append(element("span", citation.number, "number"), where);
  one("blockquote", made).textContent = citation.text;
  return made;
}

async function receive(path, body, turn) {
  for await (const event of events(await call(path, body, running.signal))) {
    if (event.type === "begun") turn.begin(event);
    else if (event.type === "said") turn.say(event.text);
    else if (event.type === "failed") throw new Error(sentence(event.error));
    else {
      turn.show(event);
      showProgress(event.progress);
      return;
    }
  }
  throw new Error(BROKEN);
}

async function answer(path, body, turn, undo) {
  tell("");
  setRunning(new AbortController());
  try {
    await receive(path, body, turn);
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
    if (error.name === "AbortError" && turn.answer.text) turn.stop();
    else undo();
  } finally {
    setRunning(null);
  }
}

function setRunning(controller) {
  running = controller;
  const focusMoves = [one("#send"), one("#stop"), document.body].includes(document.activeElement);
  one("#send").hidden = Boolean(running);
  one("#stop").hidden = !running;
  one("#reset").disabled = Boolean(running);
  log.classList.toggle("running", Boolean(running));
  if (!running && focusMoves) box.focus();
}

function ask() {
  const text = box.value.trim();
  if (running || !text) return;
  const turn = new Turn(text);
  setBox("");
  one("#welcome").hidden = true;
  scrollToEnd();
  answer("/ask", { text, kind: one("#kind").value || null }, turn, () => {
    turn.element.remove();
    setBox([text, box.value].filter(Boolean).join("\n"));
    showWelcome();
  });
}

function answerAgain(turn) {
  if (running) return;
  const before = turn.answer;
  answer("/again", { turn_id: before.turn_id }, turn, () => turn.show(before));
}

function setBox(text) {
  box.value = text;
  grow(box);
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

function showWelcome() {
  one("#welcome").hidden = log.childElementCount > 0;
}

function showContact(open) {
  one("#contact").hidden = !open;
  one("#privacy").setAttribute("aria-expanded", open);
  if (open) one("#contact").scrollIntoView({ block: "nearest" });
}

function showConsent(consent) {
  for (const button of all("[data-consent]")) {
    button.setAttribute("aria-pressed", button.dataset.consent === consent);
  }
}

async function choose(consent) {
  try {
    await call("/consent", { consent });
    showConsent(consent);
    showContact(false);
    tell(consent === "yes" ? "Noted: it may learn from what you write." : "Noted: it will not learn from what you write.");
    box.focus();
  } catch (error) {
    tell(error.message);
  }
}

async function reset() {
  try {
    await call("/reset", {});
    log.replaceChildren();
    showWelcome();
    tell("");
    box.focus();
  } catch (error) {
    tell(error.message);
  }
}

async function load() {
  try {
    const { turns, consent, progress } = await (await call("/conversation")).json();
    for (const past of turns) new Turn(past.question).show(past);
    showProgress(progress);
    showConsent(consent);
    showContact(consent === "ask");
    showWelcome();
    if (turns.length) scrollToEnd();
  } catch (error) {
    tell(error.message);
  }
}

one("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    ask();
  }
});
box.addEventListener("input", () => grow(box));
one("#stop").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
one("#reset").addEventListener("click", reset);
one("#privacy").addEventListener("click", () => showContact(one("#contact").hidden));
for (const button of all("[data-consent]")) {
  button.addEventListener("click", () => choose(button.dataset.consent));
}
load();
