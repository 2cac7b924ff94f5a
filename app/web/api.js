// Talk to the service: JSON, problems, event streams. Shows nothing.

import { t } from "/static/strings.js";

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

let onSignedOut = () => {};

export function whenSignedOut(callback) {
  onSignedOut = callback;
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "network", t("network"));
  }
  if (!response.ok) throw problemOf(response.status, await response.text());
  return response;
}

export function problemOf(status, body) {
  let problem = {};
  try {
    problem = JSON.parse(body);
  } catch {
    // not ours: a proxy answered
  }
  if (status === 401) onSignedOut();
  return new Problem(status, problem.code ?? "unknown", problem.detail ?? t("unknownError"));
}

function withBody(method, body) {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

export async function getJson(path) {
  return (await send(path)).json();
}

export async function post(path) {
  return send(path, { method: "POST" });
}

export async function remove(path) {
  return send(path, { method: "DELETE" });
}

// Yields {name, data} for every event until the service ends the stream.
export async function* events(path, { body, signal } = {}) {
  const response = await send(path, { ...(body ? withBody("POST", body) : {}), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event) yield event;
    }
  }
}

function parseEvent(block) {
  const event = { name: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event.name = line.slice(7);
    if (line.startsWith("data: ")) event.data += line.slice(6);
  }
  return event.data ? { name: event.name, data: JSON.parse(event.data) } : null;
}

// XMLHttpRequest, because fetch does not tell how much of a body has gone out.
export function upload(file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", "/v1/collections/default/documents");
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText));
    };
    request.onerror = () => reject(new Problem(0, "network", t("uploadLost")));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
