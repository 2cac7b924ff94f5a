import { describe, expect, it } from "vitest";
import { parseEvent, readEvents } from "./events";

async function events(...chunks: string[]): Promise<unknown[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
  const found = [];
  for await (const event of readEvents(new Response(body))) found.push(event);
  return found;
}

describe("server-sent events", () => {
  it("are put together wherever the line was cut", async () => {
    const text = 'id: 1\nevent: delta\ndata: {"text":"ñ"}\n\nid: 2\nevent: done\ndata: {}\n\n';
    const whole = [
      { id: "1", name: "delta", data: { text: "ñ" } },
      { id: "2", name: "done", data: {} },
    ];
    for (let at = 1; at < text.length; at += 1) {
      expect(await events(text.slice(0, at), text.slice(at))).toEqual(whole);
    }
  });

  it("are nothing where there is only a comment, and wait for their end", async () => {
    expect(parseEvent(": ping")).toBeNull();
    expect(await events("data: {}\n")).toEqual([]);
  });

  it("join several lines of data, and take either end of line", () => {
    expect(parseEvent('data: {"a":\ndata: 1}')).toEqual({ id: null, name: "message", data: { a: 1 } });
  });
});
