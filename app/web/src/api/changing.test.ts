import { describe, expect, it } from "vitest";
import { changeAsSeen } from "./changing";
import { Problem } from "./problem";

interface Thing {
  text: string;
  size: number;
}

/** A thing on a server; `between` is done to it after each reading. */
function served(thing: Thing, between: ((thing: Thing) => void)[] = []) {
  const told = { thing, num_read: 0 };
  const tagOf = (): string => JSON.stringify(told.thing);
  const read = () => {
    const found = { value: { ...told.thing }, tag: tagOf() };
    told.num_read++;
    between.shift()?.(told.thing);
    return Promise.resolve(found);
  };
  const write = (text: string) => (tag: string) => {
    if (tag !== tagOf()) return Promise.reject(new Problem(412, "changed_meanwhile", "changed"));
    told.thing.text = text;
    return Promise.resolve();
  };
  return { told, read, write };
}

const seen = (now: Thing): boolean => now.text === "old";

describe("changing what others may change", () => {
  it("writes what is still as it was seen", async () => {
    const { told, read, write } = served({ text: "old", size: 1 });
    await changeAsSeen(read, seen, write("mine"));
    expect(told.thing.text).toBe("mine");
  });

  it("refuses what somebody else has changed", async () => {
    const { told, read, write } = served({ text: "theirs", size: 1 });
    await expect(changeAsSeen(read, seen, write("mine"))).rejects.toMatchObject({ status: 412 });
    expect(told.thing.text).toBe("theirs");
  });

  it("refuses what somebody else changes between reading and writing", async () => {
    const { told, read, write } = served({ text: "old", size: 1 }, [(thing) => (thing.text = "theirs")]);
    await expect(changeAsSeen(read, seen, write("mine"))).rejects.toMatchObject({ code: "changed_meanwhile" });
    expect(told.thing.text).toBe("theirs");
  });

  it("reads again where only something else of it changes", async () => {
    const { told, read, write } = served({ text: "old", size: 1 }, [(thing) => thing.size++, (thing) => thing.size++]);
    await changeAsSeen(read, seen, write("mine"));
    expect(told).toEqual({ thing: { text: "mine", size: 3 }, num_read: 3 });
  });

  it("gives up what never rests", async () => {
    const { read, write } = served({ text: "old", size: 1 }, Array.from({ length: 9 }, () => (thing: Thing) => thing.size++));
    await expect(changeAsSeen(read, seen, write("mine"))).rejects.toMatchObject({ status: 412 });
  });
});
