import { describe, expect, it } from "vitest";
import { MAX_PASSAGES, narrowing } from "./scope";

const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

describe("what is asked about", () => {
  it("is everything, or a collection, by name", () => {
    expect(narrowing({ kind: "everything" })).toEqual({});
    expect(narrowing({ kind: "collection", name: "handbook" })).toEqual({ collections: ["handbook"] });
  });

  it("is one condition for a few passages or documents", () => {
    const documents = [{ id: "doc_1", name: null }];
    expect(narrowing({ kind: "documents", documents })).toEqual({ filter: { field: "document", op: "in", value: ["doc_1"] } });
    expect(narrowing({ kind: "passages", ids: ["7"] })).toEqual({ filter: { field: "passage", op: "in", value: ["7"] } });
  });

  it("is as many conditions as it takes for more than one may hold, none of them lost", () => {
    const { filter } = narrowing({ kind: "passages", ids: ids(450) });
    const parts = (filter as { or: { value: string[] }[] }).or;
    expect(parts.map(({ value }) => value.length)).toEqual([200, 200, 50]);
    expect(parts.flatMap(({ value }) => value)).toEqual(ids(450));
  });

  it("is never more than the service takes", () => {
    const { filter } = narrowing({ kind: "passages", ids: ids(MAX_PASSAGES + 1) });
    expect((filter as { or: unknown[] }).or.length).toBeLessThanOrEqual(64);
  });
});
