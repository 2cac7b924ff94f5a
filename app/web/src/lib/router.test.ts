import { describe, expect, it } from "vitest";
import { hrefOf, parseRoute, type Route } from "./router";

const ROUTES: Route[] = [
  { name: "chat", conversation: null, answer: null },
  { name: "chat", conversation: "cnv_1", answer: null },
  { name: "chat", conversation: "cnv_1", answer: "ans_2" },
  { name: "answer", id: "ans_1" },
  { name: "documents", collection: null },
  { name: "documents", collection: "handbook" },
  { name: "document", id: "doc_1", version: null },
  { name: "document", id: "doc_1", version: 3 },
  { name: "collections" },
  { name: "collection", collection: "handbook" },
  { name: "account" },
  { name: "people" },
  { name: "groups" },
  { name: "audit" },
  { name: "evaluations" },
  { name: "evaluation", id: "evl_1" },
  { name: "prompts" },
  { name: "prompt", reference: "few_shot@1" },
  { name: "examples" },
  { name: "operations" },
];

describe("addresses", () => {
  it.each(ROUTES)("of %o lead back to it", (route) => {
    const url = new URL(hrefOf(route), "http://localhost");
    expect(parseRoute(url.pathname, url.search)).toEqual(route);
  });

  it("carry ids of any kind without breaking out of their place", () => {
    const route: Route = { name: "document", id: "../a?b#c/d", version: null };
    const url = new URL(hrefOf(route), "http://localhost");
    expect(parseRoute(url.pathname, url.search)).toEqual(route);
  });

  it("that nobody knows are missing, also when they cannot be decoded", () => {
    expect(parseRoute("/nowhere", "")).toEqual({ name: "missing" });
    expect(parseRoute("/chat/a/b", "")).toEqual({ name: "missing" });
    expect(parseRoute("/chat/%E0%A4%A", "")).toMatchObject({ name: "chat" });
  });
});
