// Questions and answers: ask, show the answer as it is written, tie its sentences to their sources.

import { events, post } from "/static/api.js";
import { announce, byId, el, icon, sentenceCase, slice } from "/static/dom.js";
import { showEvidence } from "/static/evidence.js";
import { currentLanguage, t } from "/static/strings.js";

const MAX_SHOWN_PASSAGES = 4;
const SNIPPET_CHARS = 220;
let running = null;

export function startChat() {
  const form = byId("ask");
  const box = byId("question");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = box.value.trim();
    if (!question || running) return;
    box.value = "";
    ask(question);
  });
  box.addEventListener("keydown", (event) => {
    // isComposing: Enter that chooses a character of an input method is not for us
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  byId("stop").addEventListener("click", stop);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      box.focus();
    }
  });
}

function stop() {
  if (!running) return;
  // a lost connection alone would let the service write on for a while
  if (running.answerId) post(`/v1/answers/${running.answerId}/cancel`).catch(() => {});
  running.abort();
}

async function ask(question) {
  const exchange = newExchange(question);
  running = new AbortController();
  setBusy(true);
  try {
    await follow(question, exchange, running);
  } catch (error) {
    if (error.name === "AbortError") exchange.stop();
    else exchange.fail(error.message);
  } finally {
    running = null;
    setBusy(false);
    byId("question").focus();
  }
}

async function follow(question, exchange, control) {
  const body = { question, stream: true };
  for await (const { name, data } of events("/v1/answer", { body, signal: control.signal })) {
    if (name === "passages") {
      control.answerId = data.id;
      exchange.read(data.passages);
    } else if (name === "delta") exchange.write(data.text);
    else if (name === "done") return exchange.finish(data);
    else if (name === "error") return exchange.fail(data.detail);
    else if (name === "cancelled") return exchange.stop();
  }
  return exchange.fail(t("connection"));
}

function setBusy(isBusy) {
  byId("send").hidden = isBusy;
  byId("stop").hidden = !isBusy;
}

function newExchange(question) {
  byId("welcome").hidden = true;
  const status = el("p", { class: "status", role: "status" }, t("searching"));
  const answer = el("div", { class: "answer" });
  const node = el(
    "article",
    { class: "exchange", "aria-busy": "true" },
    el("h2", { class: "asked" }, el("span", { class: "visually-hidden" }, `${t("you")}: `), question),
    status,
    answer,
  );
  const thread = byId("thread");
  thread.append(node);
  node.scrollIntoView({ block: "start" });
  return new Exchange(node, status, answer);
}

class Exchange {
  constructor(node, status, answer) {
    Object.assign(this, { node, status, answer, text: "" });
  }

  read(passages) {
    const n = passages.length;
    this.status.textContent = n === 1 ? t("reading1") : t("reading", { n });
  }

  write(text) {
    if (!this.text) this.status.textContent = t("writing");
    const near = isNearEnd();
    this.text += text;
    this.answer.textContent = this.text;
    if (near) scrollToEnd();
  }

  finish(full) {
    const near = isNearEnd();
    this.end();
    this.status.remove();
    if (full.status === "refused") this.answer.replaceWith(...refusal(full));
    else this.answer.replaceWith(...answered(full));
    this.withdrawWith(full.status === "refused" ? full.passages : full.citations);
    announce(`${t("answered")} ${full.answer}`);
    // back to the question: what was followed to its end is now read from its beginning
    if (near) this.node.scrollIntoView({ block: "start" });
  }

  // once a document is deleted, no answer that shows its words stays
  withdrawWith(spans) {
    const documents = new Set(spans.map((span) => span.document_id));
    const withdraw = ({ detail }) => {
      if (!documents.has(detail)) return;
      removeEventListener("document-deleted", withdraw);
      const question = this.node.querySelector(".asked");
      this.node.replaceChildren(question, el("p", { class: "quiet" }, t("withdrawn")));
    };
    addEventListener("document-deleted", withdraw);
  }

  fail(message) {
    this.end();
    this.status.remove();
    this.answer.classList.add("unchecked");
    this.node.append(el("p", { class: "notice", role: "alert" }, sentenceCase(message)));
  }

  stop() {
    this.end();
    this.status.textContent = t("stopped");
    this.status.classList.add("over");
    this.answer.classList.add("unchecked");
  }

  end() {
    this.node.setAttribute("aria-busy", "false");
    this.answer.classList.add("over");
  }
}

// ---- a finished answer ---------------------------------------------------------------------

function answered(full) {
  const cited = new Map(full.citations.map((citation) => [citation.n, citation]));
  const text = el("div", { class: "answer over" });
  let at = 0;
  for (const sentence of full.sentences) {
    const words = slice(full.answer, sentence.start, sentence.end);
    const indent = words.length - words.trimStart().length;
    text.append(slice(full.answer, at, sentence.start), words.slice(0, indent));
    text.append(sentenceOf(full, sentence, cited));
    at = sentence.end;
  }
  text.append(slice(full.answer, at));
  const parts = [text, sources(full), foot(full)];
  if (full.status === "partial") parts.unshift(el("p", { class: "tag" }, icon("warn"), t("partial")));
  return parts.filter(Boolean);
}

function sentenceOf(full, sentence, cited) {
  const words = slice(full.answer, sentence.start, sentence.end).trim();
  const citations = sentence.citations.map((n) => cited.get(n)).filter(Boolean);
  if (!citations.length) {
    return el(
      "span",
      { class: "unsupported", title: t("unsupportedLabel") },
      el("span", { class: "unsupported-words" }, words),
      el("span", { class: "unsupported-mark" }, t("unsupported")),
    );
  }
  return el("span", { class: "supported" }, words, ...citations.map((citation) => chip(full, citation)));
}

function chip(full, citation) {
  const label = t("cite", { n: citation.n, name: citation.document_name });
  const open = (event) =>
    showEvidence(citation, { passages: full.passages, number: citation.n, from: event.currentTarget });
  return el(
    "button",
    { class: "chip", type: "button", "aria-label": label, title: citation.quote, onclick: open },
    String(citation.n),
  );
}

function sources(full) {
  if (!full.citations.length) return null;
  const items = full.citations.map((citation) =>
    el(
      "li",
      {},
      el(
        "button",
        {
          class: "source",
          type: "button",
          onclick: (event) =>
            showEvidence(citation, { passages: full.passages, number: citation.n, from: event.currentTarget }),
        },
        el("span", { class: "chip still" }, String(citation.n)),
        el("span", { class: "source-name" }, citation.document_name),
        citation.page ? el("span", { class: "quiet small" }, t("page", { n: citation.page })) : null,
      ),
    ),
  );
  return el("ul", { class: "sources", "aria-label": t("sources") }, ...items);
}

function refusal(full) {
  const parts = [el("p", { class: "tag" }, icon("warn"), t("refused"))];
  if (full.answer) parts.push(el("div", { class: "answer over" }, full.answer));
  if (!full.passages.length) parts.push(el("p", { class: "quiet" }, t("nothing")));
  else parts.push(nearest(full.passages));
  return parts;
}

function nearest(passages) {
  const items = passages.slice(0, MAX_SHOWN_PASSAGES).map((passage) =>
    el(
      "li",
      {},
      el(
        "button",
        {
          class: "near",
          type: "button",
          "aria-label": t("passageOf", { name: passage.document_name }),
          onclick: (event) => showEvidence(passage, { passages, from: event.currentTarget }),
        },
        el(
          "span",
          { class: "near-place small" },
          passage.document_name,
          passage.page ? ` · ${t("page", { n: passage.page })}` : "",
        ),
        el("span", { class: "near-text" }, snippet(passage.text)),
      ),
    ),
  );
  return el("section", {}, el("h3", { class: "small-head" }, t("nearest")), el("ul", { class: "nearest" }, ...items));
}

function snippet(text) {
  // headings and quotes of Markdown: marks for a parser, noise for a reader
  const line = text.replace(/^\s*(#{1,6}|>)\s+/gm, "").replace(/\s+/g, " ").trim();
  const chars = Array.from(line);
  return chars.length > SNIPPET_CHARS ? `${chars.slice(0, SNIPPET_CHARS).join("")}…` : line;
}

function foot(full) {
  const copy = el("button", { class: "plain small", type: "button" }, icon("copy"), el("span", {}, t("copy")));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(full.answer);
    copy.lastChild.textContent = t("copied");
    setTimeout(() => (copy.lastChild.textContent = t("copy")), 2000);
  });
  const format = new Intl.NumberFormat(currentLanguage(), { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const seconds = format.format(full.timings.total_ms / 1000);
  // the clipboard is there on https and on localhost only
  return el(
    "div",
    { class: "foot" },
    navigator.clipboard ? copy : null,
    el("span", { class: "quiet small" }, `${full.receipt.model} · ${t("timing", { s: seconds })}`),
  );
}

function isNearEnd() {
  const thread = byId("thread");
  return thread.scrollHeight - thread.scrollTop - thread.clientHeight < 120;
}

function scrollToEnd() {
  const thread = byId("thread");
  thread.scrollTop = thread.scrollHeight;
}
