// Fails when what a first visit loads has grown past its budget: JavaScript, compressed.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const MAX_BYTES = 200 * 1024;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

const files = new Set();
const collect = (name) => {
  const chunk = manifest[name];
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const imported of chunk.imports ?? []) collect(imported);
};
collect("index.html");

let total = 0;
for (const file of files) {
  const bytes = gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
  total += bytes;
  console.log(`${String(bytes).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  of ${MAX_BYTES} bytes of JavaScript at first load, gzip`);
if (total > MAX_BYTES) {
  console.error("over budget: load what is not needed at once with import()");
  process.exit(1);
}
