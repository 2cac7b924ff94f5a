import { describe, expect, it } from "vitest";
import type { Me } from "../api/types";
import { mayDo } from "./session";

const PERSON: Me = {
  kind: "person",
  name: "ana",
  display_name: "",
  email: null,
  is_owner: false,
  has_password: true,
  scopes: [],
  collections: [
    { name: "handbook", role: "editor" },
    { name: "news", role: "reader" },
  ],
};

describe("what somebody may do", () => {
  it("is what their role in the collection may, and all that is below it", () => {
    expect(mayDo(PERSON, "reader", "handbook")).toBe(true);
    expect(mayDo(PERSON, "editor", "handbook")).toBe(true);
    expect(mayDo(PERSON, "owner", "handbook")).toBe(false);
    expect(mayDo(PERSON, "editor", "news")).toBe(false);
    expect(mayDo(PERSON, "reader", "secrets")).toBe(false);
  });

  it("is in any collection where none is named", () => {
    expect(mayDo(PERSON, "editor")).toBe(true);
    expect(mayDo(PERSON, "owner")).toBe(false);
    expect(mayDo({ ...PERSON, collections: [] }, "reader")).toBe(false);
  });

  it("is everything for who owns the service, and nothing for who is not known yet", () => {
    expect(mayDo({ ...PERSON, collections: null }, "owner", "made a moment ago")).toBe(true);
    expect(mayDo(null, "reader", "handbook")).toBe(false);
  });
});
