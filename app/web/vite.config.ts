// How the application is built: one page, hashed files beside it, compressed once here.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SERVICE = "http://127.0.0.1:8420";
const MIN_COMPRESSED_BYTES = 1024;

// What pdf.js reads by name while it draws: fonts that a PDF leaves out, character maps, decoders.
// The folder's name carries the version, so that it may be kept as long as a hashed file.
const PDF_DIR = here("node_modules/pdfjs-dist");
const { version: pdfVersion } = JSON.parse(
  readFileSync(join(PDF_DIR, "package.json"), "utf8"),
) as { version: string };
const PDF_FOLDERS = ["cmaps", "standard_fonts", "wasm"];

function pdfFiles(): Plugin {
  return {
    name: "pdf-files",
    apply: "build",
    generateBundle() {
      for (const folder of PDF_FOLDERS) {
        const path = join(PDF_DIR, folder);
        if (!existsSync(path)) this.error(`pdfjs-dist ${pdfVersion} has no ${folder}`);
        for (const name of readdirSync(path)) {
          this.emitFile({
            type: "asset",
            fileName: `assets/pdfjs-${pdfVersion}/${folder}/${name}`,
            source: readFileSync(join(path, name)),
          });
        }
      }
    },
  };
}

// The service sends these as they are; compressing at each request would cost more and gain less.
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    // what is written is final: before that, Vite still puts the names of chunks in
    writeBundle({ dir = "dist" }, bundle) {
      for (const fileName of Object.keys(bundle)) {
        if (!/\.(css|js|mjs|svg|wasm)$/.test(fileName)) continue;
        const path = join(dir, fileName);
        const bytes = readFileSync(path);
        if (bytes.length < MIN_COMPRESSED_BYTES) continue;
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, quality));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  base: "/static/",
  plugins: [react(), pdfFiles(), compressed()],
  define: { PDF_FILES: JSON.stringify(`/static/assets/pdfjs-${pdfVersion}/`) },
  resolve: {
    alias: [
      // locks scrolling with a <style> element, which our policy refuses; our page never scrolls
      { find: /^react-remove-scroll$/, replacement: here("src/ui/remove-scroll.tsx") },
      // its build for browsers decodes through innerHTML, which our policy refuses
      {
        find: /^decode-named-character-reference$/,
        replacement: here("node_modules/decode-named-character-reference/index.js"),
      },
    ],
  },
  build: {
    target: "es2022",
    manifest: true,
    sourcemap: false,
    // a data: address would need an exception in the policy
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1500,
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/health", "/sign-out"].map((path) => [path, { target: SERVICE, changeOrigin: true }]),
    ),
  },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
});
