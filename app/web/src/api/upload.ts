// Send a file. XMLHttpRequest, because fetch does not tell how much of a body has gone out.

import { translate } from "../i18n/language";
import { addressOf, refused } from "./client";
import { Problem } from "./problem";
import type { Upload } from "./types";

interface Options {
  collection: string;
  signal: AbortSignal;
  onProgress: (done: number, total: number) => void;
}

export function uploadFile(file: File, name: string, { collection, signal, onProgress }: Options): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("file", file, name);
    request.open("POST", addressOf("/v1/collections/{name}/documents", { name: collection }));
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText) as Upload);
      else reject(refused(request.status, request.responseText));
    };
    request.onerror = () => reject(new Problem(0, "network", translate("uploadLost")));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
