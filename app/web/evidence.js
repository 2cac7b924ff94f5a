// The side panel: the passage a sentence rests on, with the quoted words marked.

import { getJson } from "/static/api.js";
import { byId, el, sentenceCase } from "/static/dom.js";
import { t } from "/static/strings.js";

const CONTEXT_CHARS = 1500;
let opener = null;
let openDocument = null;

export function startEvidence() {
  byId("evidence-close").addEventListener("click", closeEvidence);
  addEventListener("document-deleted", ({ detail }) => {
    if (detail === openDocument) closeEvidence();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("evidence").hidden && !byId("confirm").open) closeEvidence();
  });
}

export function closeEvidence() {
  byId("evidence").hidden = true;
  document.body.classList.remove("with-evidence");
  opener?.removeAttribute("aria-current");
  opener?.focus();
  opener = null;
  openDocument = null;
  byId("evidence-body").replaceChildren();
}

// `span` is a citation or a passage: document_id, document_name, version, page, start, end.
export function showEvidence(span, { passages = [], number = null, from }) {
  opener?.removeAttribute("aria-current");
  opener = from;
  openDocument = span.document_id;
  opener.setAttribute("aria-current", "true");
  const holder = passages.find((passage) => holds(passage, span));
  const text = holder?.text ?? span.quote ?? span.text;
  const start = holder?.start ?? span.start;
  const marked = number === null ? null : span;
  byId("evidence-body").replaceChildren(
    heading(span, number, holder),
    passageText({ text, offset: start, marked }),
    tools(span, marked),
  );
  byId("evidence").hidden = false;
  document.body.classList.add("with-evidence");
  byId("evidence-body").focus({ preventScroll: true });
  scrollToMark();
}

function holds(passage, span) {
  return (
    passage.document_id === span.document_id &&
    passage.version === span.version &&
    passage.start <= span.start &&
    span.end <= passage.end
  );
}

function heading(span, number, holder) {
  const place = [
    span.page ? t("page", { n: span.page }) : null,
    holder?.heading || span.heading || null,
    span.version > 1 ? t("version", { n: span.version }) : null,
  ].filter(Boolean);
  return el(
    "div",
    { class: "evidence-head" },
    number === null ? null : el("span", { class: "chip still" }, String(number)),
    el("div", {}, el("h3", {}, span.document_name), place.length ? el("p", { class: "quiet small" }, place.join(" · ")) : null),
  );
}

function passageText({ text, offset, marked }) {
  const chars = Array.from(text);
  const node = el("blockquote", { class: "passage" });
  if (!marked) {
    node.append(text);
    return node;
  }
  const start = Math.max(0, marked.start - offset);
  const end = Math.min(chars.length, marked.end - offset);
  node.append(
    chars.slice(0, start).join(""),
    el("mark", {}, chars.slice(start, end).join("")),
    chars.slice(end).join(""),
  );
  return node;
}

function tools(span, marked) {
  const path = `/v1/documents/${encodeURIComponent(span.document_id)}`;
  const problem = el("p", { class: "notice", role: "alert", hidden: true });
  const more = el("button", { class: "link", type: "button" }, t("context"));
  more.addEventListener("click", async () => {
    try {
      const { text } = await getJson(`${path}/text?version=${span.version}`);
      const chars = Array.from(text);
      const from = Math.max(0, span.start - CONTEXT_CHARS);
      const wider = chars.slice(from, span.end + CONTEXT_CHARS).join("");
      byId("evidence-body").querySelector(".passage").replaceWith(
        passageText({ text: wider, offset: from, marked: marked ?? span }),
      );
      more.remove();
      scrollToMark();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = sentenceCase(error.message);
    }
  });
  const download = el("a", { class: "link", href: `${path}/content?version=${span.version}`, download: "" }, t("download"));
  return el("div", { class: "evidence-tools" }, more, download, problem);
}

function scrollToMark() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("evidence-body").querySelector("mark")?.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
}
