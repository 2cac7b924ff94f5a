// The list of documents: add, follow until searchable, delete.

import { events, getJson, post, remove, upload } from "/static/api.js";
import { announce, byId, el, icon, iconButton, sentenceCase } from "/static/dom.js";
import { currentLanguage, t } from "/static/strings.js";

// Browsers keep few connections to one host; questions need some of them.
const MAX_FOLLOWED = 2;
const FILTER_FROM = 8;
const OPEN = new Set(["queued", "running"]);

const shown = new Map(); // document id -> document
const jobs = new Map(); // job id -> job
const uploads = new Set(); // files on their way, and those that were refused
const toFollow = [];
const waitingFiles = [];
let numFollowed = 0;
let isUploading = false;
let cursor = null;
let onChange = () => {};

export function startDocuments({ changed }) {
  onChange = changed;
  const input = byId("files");
  for (const id of ["choose", "welcome-choose"]) byId(id).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    addFiles(input.files);
    input.value = "";
  });
  byId("filter").addEventListener("input", debounce(() => load({ fresh: true }), 200));
  byId("more").addEventListener("click", () => load({ fresh: false }));
  acceptDrops();
}

export async function load({ fresh }) {
  const query = new URLSearchParams();
  const wanted = byId("filter").value.trim();
  if (wanted) query.set("q", wanted);
  if (!fresh && cursor) query.set("cursor", cursor);
  try {
    const page = await getJson(`/v1/documents?${query}`);
    if (wanted !== byId("filter").value.trim()) return; // an older question's answer
    if (fresh) shown.clear();
    for (const item of page.items) remember(item);
    cursor = page.next_cursor;
    showProblem(null);
  } catch (error) {
    showProblem(error);
  }
  render();
}

export function numDocuments() {
  return shown.size;
}

function remember(item) {
  shown.set(item.id, item);
  if (item.state === "failed") fetchJob(item.newest.job_id);
  if (OPEN.has(item.state)) follow(item.newest.job_id);
}

async function fetchJob(id) {
  try {
    jobs.set(id, await getJson(`/v1/jobs/${encodeURIComponent(id)}`));
    render();
  } catch {
    // the document went away meanwhile; the list says so by itself
  }
}

function addFiles(files) {
  for (const file of files) {
    const entry = { file, state: "waiting", done: 0, total: file.size, error: null };
    entry.controller = new AbortController();
    uploads.add(entry);
    waitingFiles.push(entry);
  }
  render();
  uploadNext();
}

async function uploadNext() {
  if (isUploading) return;
  isUploading = true;
  for (let entry = waitingFiles.shift(); entry; entry = waitingFiles.shift()) {
    if (!entry.controller.signal.aborted) await uploadOne(entry);
  }
  isUploading = false;
}

async function uploadOne(entry) {
  entry.state = "uploading";
  render();
  try {
    const accepted = await upload(entry.file, {
      signal: entry.controller.signal,
      onProgress: (done, total) => {
        Object.assign(entry, { done, total });
        render();
      },
    });
    if (accepted.deduplicated) {
      entry.state = "known";
      setTimeout(() => forget(entry), 6000);
    } else {
      uploads.delete(entry);
    }
    await refresh(accepted.document_id);
  } catch (error) {
    if (error.name === "AbortError") {
      forget(entry);
      return;
    }
    Object.assign(entry, { state: "failed", error: error.message });
    announce(`${entry.file.name}: ${error.message}`);
  }
  render();
}

function forget(entry) {
  uploads.delete(entry);
  render();
}

async function refresh(documentId) {
  try {
    const item = await getJson(`/v1/documents/${encodeURIComponent(documentId)}`);
    const isNew = !shown.has(item.id);
    remember(item);
    if (isNew) moveToTop(item);
  } catch (error) {
    if (error.status !== 404) showProblem(error);
    shown.delete(documentId);
  }
  render();
}

function moveToTop(item) {
  const others = [...shown].filter(([id]) => id !== item.id);
  shown.clear();
  shown.set(item.id, item);
  for (const [id, other] of others) shown.set(id, other);
}

function follow(jobId) {
  const known = jobs.get(jobId);
  if (known?.isFollowed) return;
  jobs.set(jobId, { ...known, id: jobId, isFollowed: true });
  toFollow.push(jobId);
  followNext();
}

async function followNext() {
  if (numFollowed >= MAX_FOLLOWED || !toFollow.length) return;
  const id = toFollow.shift();
  numFollowed += 1;
  try {
    for await (const { name, data } of events(`/v1/jobs/${encodeURIComponent(id)}/events`)) {
      if (name === "error") break;
      jobs.set(id, { ...data, isFollowed: name === "progress" });
      render();
      if (name === "done") {
        announce(`${data.document_name}: ${t(data.state)}`);
        await refresh(data.document_id);
      }
    }
  } catch (error) {
    showProblem(error);
  } finally {
    const job = jobs.get(id);
    if (job?.isFollowed) jobs.delete(id);
    numFollowed -= 1;
    followNext();
  }
}

async function change(action) {
  try {
    showProblem(null);
    await action();
  } catch (error) {
    showProblem(error);
  }
}

async function deleteDocument(item) {
  if (!(await confirmDelete(item.name))) return;
  await change(async () => {
    await remove(`/v1/documents/${encodeURIComponent(item.id)}`);
    shown.delete(item.id);
    // what is on the page already rests on it too
    dispatchEvent(new CustomEvent("document-deleted", { detail: item.id }));
    announce(t("deleted", { name: item.name }));
  });
  render();
  byId("choose").focus();
}

function confirmDelete(name) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = t("deleteText", { name });
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function retry(item) {
  return change(async () => {
    const id = item.newest.job_id;
    const response = await post(`/v1/jobs/${encodeURIComponent(id)}/retry`);
    jobs.set(id, await response.json());
    await refresh(item.id);
  });
}

function cancel(item) {
  return change(async () => {
    await remove(`/v1/jobs/${encodeURIComponent(item.newest.job_id)}`);
    await refresh(item.id);
  });
}

// ---- what it looks like -------------------------------------------------------------------

let isDrawn = true;

// At most one drawing a frame, however fast progress comes in.
export function render() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    draw();
  });
}

function draw() {
  const focused = document.activeElement?.dataset?.key;
  const rows = [...uploads].map(uploadRow).concat([...shown.values()].map(documentRow));
  if (!rows.length) {
    rows.push(el("li", { class: "quiet small" }, t(byId("filter").value ? "noMatch" : "empty")));
  }
  const list = byId("documents");
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  byId("library-count").textContent = shown.size ? `${shown.size}${cursor ? "+" : ""}` : "";
  byId("filter").hidden = shown.size < FILTER_FROM && !byId("filter").value;
  byId("more").hidden = cursor === null;
  onChange();
}

function uploadRow(entry) {
  const isOver = ["failed", "known"].includes(entry.state);
  const label = t(isOver ? "dismissOf" : "cancelOf", { name: entry.file.name });
  const button = iconButton("close", label, () => {
    entry.controller.abort();
    forget(entry);
  });
  const failed = entry.state === "failed";
  return row({
    name: entry.file.name,
    failed,
    status: failed ? null : t(entry.state),
    meter: entry.state === "uploading" ? { done: entry.done, total: entry.total } : null,
    error: entry.error,
    buttons: [button],
  });
}

function documentRow(item) {
  const job = jobs.get(item.newest.job_id);
  const open = OPEN.has(item.state);
  const failed = item.state === "failed";
  const buttons = [];
  if (item.state === "cancelled" || (failed && job?.error?.retryable)) {
    buttons.push(keyed(`retry-${item.id}`, iconButton("retry", t("retry"), () => retry(item))));
  }
  buttons.push(
    open
      ? keyed(`cancel-${item.id}`, iconButton("close", t("cancelOf", { name: item.name }), () => cancel(item)))
      : keyed(`delete-${item.id}`, iconButton("trash", t("deleteOf", { name: item.name }), () => deleteDocument(item))),
  );
  return row({
    name: item.name,
    failed,
    status: open ? stageText(job) : failed ? null : facts(item),
    meter: open ? { done: job?.done ?? 0, total: job?.total ?? null } : null,
    error: failed ? (job?.error?.message ?? t("failed")) : null,
    buttons,
  });
}

function keyed(key, button) {
  button.dataset.key = key;
  return button;
}

function row({ name, failed, status, meter, error, buttons }) {
  return el(
    "li",
    { class: failed ? "document failed" : "document" },
    el("span", { class: "document-icon" }, icon(failed ? "warn" : "file")),
    el(
      "div",
      { class: "document-words" },
      el("span", { class: "document-name", title: name }, name),
      status ? el("span", { class: "quiet small" }, status) : null,
      error ? el("span", { class: "document-error small" }, sentenceCase(error)) : null,
      meter ? meterOf(meter, name) : null,
    ),
    el("span", { class: "document-buttons" }, ...buttons),
  );
}

function meterOf({ done, total }, name) {
  // without a value the bar says "busy": the total is not known yet
  const known = total ? { value: done, max: total } : {};
  return el("progress", { "aria-label": name, ...known });
}

function stageText(job) {
  if (!job?.stage) return t(job?.state ?? "queued");
  const counted = job.total ? ` ${job.done}/${job.total}` : "";
  return t(job.stage) + counted;
}

function facts(item) {
  const { pages, bytes, language } = item.version;
  const parts = [item.state === "cancelled" ? t("cancelled") : null];
  if (pages) parts.push(pages === 1 ? t("page1") : t("pages", { n: pages }));
  parts.push(sizeText(bytes), language?.toUpperCase());
  return parts.filter(Boolean).join(" · ");
}

function sizeText(bytes) {
  const [value, unit] = bytes < 1e6 ? [Math.max(bytes / 1e3, 0.1), "kilobyte"] : [bytes / 1e6, "megabyte"];
  const digits = value < 10 ? 1 : 0;
  const options = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits };
  return new Intl.NumberFormat(currentLanguage(), options).format(value);
}

function showProblem(error) {
  const node = byId("library-problem");
  node.hidden = error === null || error.status === 401;
  node.textContent = sentenceCase(error?.message ?? "");
}

function acceptDrops() {
  const drop = byId("drop");
  let depth = 0;
  const mark = (isOver) => {
    document.body.classList.toggle("dropping", isOver);
    drop.dataset.hint = t("dropNow");
  };
  addEventListener("dragenter", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    depth += 1;
    mark(true);
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) mark(false);
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    mark(false);
    addFiles(event.dataTransfer.files);
  });
}

function debounce(action, delay) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };
}
