import { describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import { type Line, LiveAnswer, type Phase } from "./live";

const PASSAGES = 'id: 1\nevent: passages\ndata: {"id":"ans_1","standalone":null,"passages":[]}\n\n';
const delta = (id: number, text: string): string => `id: ${id}\nevent: delta\ndata: {"text":"${text}"}\n\n`;
const done = (id: number): string =>
  `id: ${id}\nevent: done\ndata: {"id":"ans_1","status":"answered","answer":"ab","passages":[]}\n\n`;

/** A response whose body ends, or breaks off as a lost connection does. */
function stream(text: string, { breaks = false } = {}): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      if (!breaks) controller.close();
    },
    pull(controller) {
      if (breaks) controller.error(new TypeError("network error"));
    },
  });
  return new Response(body);
}

function lineOf(
  first: () => Response | Promise<Response>,
  ...later: (() => Response)[]
): Line & { asked: string[]; keys: string[] } {
  const asked: string[] = [];
  const keys: string[] = [];
  return {
    asked,
    keys,
    ask: (_, key) => {
      keys.push(key);
      return Promise.resolve(first());
    },
    follow: (id, lastEventId) => {
      asked.push(`${id} after ${lastEventId}`);
      const next = later.shift();
      return next ? Promise.resolve(next()) : Promise.reject(new Problem(0, "network", "unreachable"));
    },
    cancel: (id) => Promise.resolve(asked.push(`cancel ${id}`)),
    rest: () => Promise.resolve(),
  };
}

async function asked(line: Line): Promise<LiveAnswer> {
  const live = new LiveAnswer("q", line);
  await live.ask({ question: "q" });
  return live;
}

describe("an answer that is written", () => {
  it("passes through its phases to the whole answer", async () => {
    const line = lineOf(() => stream(PASSAGES + delta(2, "a") + delta(3, "b") + done(4)));
    const live = new LiveAnswer("q", line);
    const phases: Phase[] = [];
    live.written.subscribe(() => {
      const { phase } = live.written.get();
      if (phases.at(-1) !== phase) phases.push(phase);
    });
    await live.ask({ question: "q" });
    expect(phases).toEqual(["reading", "writing", "done"]);
    expect(live.written.get()).toMatchObject({ id: "ans_1", text: "ab", answer: { status: "answered" } });
  });

  it("says how many questions are before it, until its turn has come, and never after words", async () => {
    const waiting = (before: number | null): string => `event: waiting\ndata: {"before":${before}}\n\n`;
    const events = waiting(3) + waiting(null) + PASSAGES + waiting(2) + waiting(0) + waiting(null);
    const live = new LiveAnswer("q", lineOf(() => stream(events + delta(2, "ab") + done(3))));
    const shown: string[] = [];
    live.written.subscribe(() => {
      const { phase, before } = live.written.get();
      shown.push(phase === "waiting" ? `waiting ${before}` : phase);
    });
    await live.ask({ question: "q" });
    expect(shown).toEqual(
      ["waiting 3", "searching", "reading", "waiting 2", "waiting 0", "reading", "writing", "done"],
    );
  });

  it("goes on after its last event though it heard its place since", async () => {
    const line = lineOf(
      () => stream(`${PASSAGES}event: waiting\ndata: {"before":1}\n\n`, { breaks: true }),
      () => stream(done(2)),
    );
    await asked(line);
    expect(line.asked).toEqual(["ans_1 after 1"]);
  });

  it("goes on after its last event when the connection is lost, and repeats nothing", async () => {
    const line = lineOf(
      () => stream(PASSAGES + delta(2, "a"), { breaks: true }),
      () => stream(delta(3, "b"), { breaks: true }),
      () => stream(done(4)),
    );
    const live = await asked(line);
    expect(line.asked).toEqual(["ans_1 after 2", "ans_1 after 3"]);
    expect(live.written.get()).toMatchObject({ text: "ab", phase: "done" });
  });

  it("is asked for again under its key when the reply was lost before it had an id", async () => {
    const replies = [() => Promise.reject(new Problem(0, "network", "unreachable")), () => stream(""), () => stream(PASSAGES + done(2))];
    const next = (): Response | Promise<Response> => replies.shift()?.() ?? stream("");
    const line = lineOf(next);
    expect((await asked(line)).written.get().phase).toBe("done");
    expect(line.keys).toHaveLength(3);
    expect(new Set(line.keys).size).toBe(1);
    const other = lineOf(() => stream(PASSAGES + done(2)));
    await asked(other);
    expect(other.keys).not.toContain(line.keys[0]);
  });

  it("goes on when a proxy ends the stream politely before the answer has ended", async () => {
    const line = lineOf(() => stream(PASSAGES), () => stream(done(2)));
    expect((await asked(line)).written.get().phase).toBe("done");
  });

  it("gives up when nobody comes back, and says so", async () => {
    const live = await asked(lineOf(() => stream(PASSAGES, { breaks: true })));
    expect(live.written.get()).toMatchObject({ phase: "failed", problem: "Unreachable" });
  });

  it("does not ask again when the service refuses", async () => {
    const line = lineOf(() => Promise.reject(new Problem(503, "not_ready", "the model is loading")));
    const live = await asked(line);
    expect(line.asked).toEqual([]);
    expect(live.written.get()).toMatchObject({ phase: "failed", problem: "The model is loading" });
  });

  it("fails in words when the stream says so", async () => {
    const error = 'event: error\ndata: {"detail":"the model is gone","code":"x"}\n\n';
    const live = await asked(lineOf(() => stream(PASSAGES + error)));
    expect(live.written.get()).toMatchObject({ phase: "failed", problem: "The model is gone" });
  });

  it("is stopped at the service, and keeps what was written", async () => {
    const line = lineOf(() => stream(`${PASSAGES}${delta(2, "a")}event: cancelled\ndata: {}\n\n`));
    const live = new LiveAnswer("q", line);
    live.written.subscribe(() => {
      if (live.written.get().phase === "writing") void live.stop();
    });
    await live.ask({ question: "q" });
    expect(line.asked).toEqual(["cancel ans_1"]);
    expect(live.written.get()).toMatchObject({ phase: "cancelled", text: "a" });
  });

  it("that was begun before is followed from its first event", async () => {
    const line = lineOf(() => stream(""), () => stream(PASSAGES + delta(2, "ab") + done(3)));
    const live = new LiveAnswer("q", line);
    await live.resume("ans_1");
    expect(line.asked).toEqual(["ans_1 after 0"]);
    expect(live.written.get().phase).toBe("done");
  });

  it("ignores comments and events that it does not know", async () => {
    const line = lineOf(() => stream(`: ping\n\n${PASSAGES}event: later\ndata: {}\n\n${done(2)}`));
    expect((await asked(line)).written.get().phase).toBe("done");
  });
});
