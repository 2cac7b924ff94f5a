// pdf.js, loaded with this file when the first PDF is opened. One worker for all documents.

import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy } from "pdfjs-dist";
import workerAddress from "pdfjs-dist/build/pdf.worker.min.mjs?url";

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (address: string) => string }): {
    createScriptURL(address: string): string;
  };
}

const MAX_OPEN = 2;
const opened = new Map<string, Promise<PDFDocumentProxy>>();

// The only script that is ever started from an address: the policy of the page refuses any other.
function trusted(address: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (!trustedTypes) return address;
  const policy = trustedTypes.createPolicy("cimiento", {
    createScriptURL: (wanted) => {
      if (wanted !== workerAddress) throw new TypeError("not the worker of pdf.js");
      return wanted;
    },
  });
  return policy.createScriptURL(address);
}

GlobalWorkerOptions.workerPort = new Worker(trusted(workerAddress), { type: "module" });

/** A document, kept open while few are. `key` names it; its bytes are fetched where it is not open. */
export function openPdf(key: string, load: () => Promise<ArrayBuffer>): Promise<PDFDocumentProxy> {
  const found = opened.get(key);
  if (found) return found;
  const opening = open(load);
  opened.set(key, opening);
  opening.catch(() => opened.delete(key));
  const [oldest] = opened.keys();
  if (opened.size > MAX_OPEN && oldest !== undefined) {
    void opened.get(oldest)?.then((document) => document.loadingTask.destroy());
    opened.delete(oldest);
  }
  return opening;
}

async function open(load: () => Promise<ArrayBuffer>): Promise<PDFDocumentProxy> {
  const bytes = await load();
  return getDocument({
    // pdf.js takes the bytes away from us
    data: new Uint8Array(bytes.slice(0)),
    cMapUrl: `${PDF_FILES}cmaps/`,
    cMapPacked: true,
    standardFontDataUrl: `${PDF_FILES}standard_fonts/`,
    wasmUrl: `${PDF_FILES}wasm/`,
    isEvalSupported: false,
    enableXfa: false,
  }).promise;
}
