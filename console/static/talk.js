const AWAY = "The console cannot be reached; is it still running?";
export const BROKEN = "The answer broke off; please ask again.";

export const one = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

export async function call(path, body, signal) {
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

export async function* events(response) {
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

export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

export function rendered(text, citations) {
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

export function source(citation) {
  const made = element("li", "");
  const folded = element("details", "");
  folded.dataset.number = citation.number;
  const where = [citation.source, citation.title].filter(Boolean).join(" › ");
  const summary = element("summary", "");
  summary.append(element("span", citation.number, "number"), where);
  folded.append(summary, element("blockquote", citation.text));
  made.append(folded);
  return made;
}

export function details(told) {
  if (!told) return [];
  const rows = element("dl", "");
  for (const [name, said] of told.rows) rows.append(row(name, said));
  if (told.version) rows.append(row("version", version(told)));
  const found = [element("summary", "Details"), rows];
  if (told.sources.length) {
    const list = element("ol", "");
    for (const from of told.sources) list.append(element("li", sourceLine(from)));
    found.push(element("p", "In its prompt, with scores:"), list);
  }
  const made = element("details", "", "told");
  made.append(...found);
  return [made];
}

function row(name, said) {
  const made = element("div", "");
  const value = element("dd", "");
  value.append(said);
  made.append(element("dt", name), value);
  return made;
}

function version(told) {
  const id = element("code", told.version);
  if (!told.page) return id;
  const link = element("a", "");
  link.href = told.page;
  link.append(id);
  return link;
}

function sourceLine(from) {
  return `${from.name} (${from.score}${from.mark ? `, cited as ${from.mark}` : ""})`;
}

export function openSource(root, number) {
  const folded = one(`[data-number="${number}"]`, root);
  folded.open = true;
  one("summary", folded).focus();
}

export class Answer {
  constructor(root) {
    this.root = root;
    this.said = "";
    this.part(".text").addEventListener("click", (event) => {
      if (event.target.dataset.source) openSource(root, event.target.dataset.source);
    });
  }

  part(selector) {
    return one(selector, this.root);
  }

  wait() {
    this.said = "";
    this.root.setAttribute("aria-busy", "true");
    this.part(".waiting").hidden = false;
    for (const name of [".text", ".sources", ".facts", ".details"]) this.part(name).replaceChildren();
  }

  say(text) {
    this.said += text;
    this.part(".waiting").hidden = true;
    this.part(".text").replaceChildren(...rendered(this.said, []));
  }

  end(answer) {
    this.part(".text").replaceChildren(...rendered(answer.text, answer.citations));
    this.part(".sources").replaceChildren(...answer.citations.map(source));
    this.stop();
    if (!answer.text.trim()) this.part(".text").replaceChildren(element("p", "It said nothing.", "faint"));
  }

  stop() {
    this.part(".waiting").hidden = true;
    this.root.setAttribute("aria-busy", "false");
  }

  tell(told) {
    this.part(".details").replaceChildren(...details(told));
  }
}

export function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
