// One answer while it is written: what has come so far, and how it goes on when the line breaks.

import { call, send, withBody } from "../api/client";
import { readEvents, type ServerEvent } from "../api/events";
import { isAbort, isLost, messageOf, Problem } from "../api/problem";
import type { Answer, AnswerRequest, Citation, Passage, PassagesFound, ProblemDetails } from "../api/types";
import { translate } from "../i18n/language";
import { Store } from "../lib/store";
import { sentenceCase } from "../lib/text";

export type Phase =
  | "searching"
  | "reading"
  | "waiting"
  | "writing"
  | "reconnecting"
  | "stopping"
  // the last ones
  | "done"
  | "cancelled"
  | "failed";

export interface Written {
  id: string | null;
  question: string;
  phase: Phase;
  /** Questions that have their turn first, while it waits. */
  before: number;
  standalone: string | null;
  passages: Passage[];
  citations: Citation[];
  text: string;
  reasoning: string;
  answer: Answer | null;
  problem: string | null;
}

export type Question = Pick<
  AnswerRequest,
  "question" | "conversation_id" | "in_place_of" | "collections" | "filter"
> & { sampling?: NonNullable<AnswerRequest["sampling"]> };

/** How it talks to the service; tests hand in another. */
export interface Line {
  /** The key makes it one question, however often it is sent. */
  ask(question: Question, key: string, signal: AbortSignal): Promise<Response>;
  follow(id: string, lastEventId: string, signal: AbortSignal): Promise<Response>;
  cancel(id: string): Promise<unknown>;
  /** Rests until it is worth trying again. */
  rest(attempt: number, signal: AbortSignal): Promise<void>;
}

const MAX_ATTEMPTS = 8;
const LAST: ReadonlySet<Phase> = new Set<Phase>(["done", "cancelled", "failed"]);

export const SERVICE_LINE: Line = {
  ask: (question, key, signal) => {
    const { headers, ...body } = withBody({ ...question, stream: true });
    return send("/v1/answer", { method: "POST", signal, ...body, headers: { ...headers, "Idempotency-Key": key } });
  },
  follow: (id, lastEventId, signal) =>
    send(`/v1/answers/${encodeURIComponent(id)}/events`, { headers: { "Last-Event-ID": lastEventId }, signal }),
  cancel: (id) => call("post", "/v1/answers/{answer_id}/cancel", { params: { answer_id: id } }),
  rest: (attempt, signal) => untilOnline(Math.min(500 * 2 ** attempt, 8000), signal),
};

/** Ends early when the browser says that its network is back. */
function untilOnline(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    addEventListener("online", done, { once: true });
    signal.addEventListener("abort", done, { once: true });
  });
}

export class LiveAnswer {
  readonly written: Store<Written>;
  readonly #line: Line;
  readonly #control = new AbortController();
  #lastEventId = "0";

  constructor(question: string, line: Line = SERVICE_LINE) {
    this.#line = line;
    this.written = new Store<Written>({
      id: null,
      question,
      phase: "searching",
      before: 0,
      standalone: null,
      passages: [],
      citations: [],
      text: "",
      reasoning: "",
      answer: null,
      problem: null,
    });
  }

  get isOver(): boolean {
    return LAST.has(this.written.get().phase);
  }

  /** Asks, and follows to the end. Never raises: how it ended is in `written`. */
  async ask(question: Question): Promise<void> {
    const key = newKey();
    await this.#run((signal) => this.#line.ask(question, key, signal));
  }

  /** Goes on with an answer that was begun before this page was. */
  async resume(id: string): Promise<void> {
    this.#change({ id });
    await this.#run((signal) => this.#line.follow(id, this.#lastEventId, signal));
  }

  /** Stops the writing at the service; a lost connection alone would let it write on for a while. */
  async stop(): Promise<void> {
    const { id } = this.written.get();
    if (this.isOver) return;
    if (id === null) {
      this.#control.abort();
      return;
    }
    this.#change({ phase: "stopping" });
    try {
      await this.#line.cancel(id);
    } catch (error) {
      // it came to its end meanwhile: its last event says so
      if (isLost(error)) this.#control.abort();
    }
  }

  async #run(open: (signal: AbortSignal) => Promise<Response>): Promise<void> {
    const { signal } = this.#control;
    try {
      await this.#follow(open, signal);
    } catch (error) {
      if (isAbort(error) || signal.aborted) this.#change({ phase: "cancelled" });
      else this.#fail(messageOf(error));
    }
  }

  async #follow(first: (signal: AbortSignal) => Promise<Response>, signal: AbortSignal): Promise<void> {
    let open = first;
    for (let attempt = 0; ; attempt += 1) {
      const seen = this.#lastEventId;
      await this.#read(open, signal, attempt);
      if (this.isOver) return;
      const { id } = this.written.get();
      if (id === null && attempt >= MAX_ATTEMPTS) throw new Problem(0, "network", translate("connection"));
      // what came in between shows that the line is good again
      if (this.#lastEventId !== seen) attempt = 0;
      this.#change({ phase: "reconnecting" });
      await this.#line.rest(attempt, signal);
      // without an id nobody knows whether the question came: it is sent again, under its key
      if (id !== null) open = (aborted) => this.#line.follow(id, this.#lastEventId, aborted);
    }
  }

  /** Reads until the stream ends or breaks; raises what trying again would not mend. */
  async #read(
    open: (signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
    attempt: number,
  ): Promise<void> {
    try {
      for await (const event of readEvents(await open(signal))) {
        this.#take(event);
        if (this.isOver) return;
      }
    } catch (error) {
      if (signal.aborted || !canBeMended(error) || attempt >= MAX_ATTEMPTS) throw error;
    }
  }

  #take(event: ServerEvent): void {
    if (event.id !== null) this.#lastEventId = event.id;
    const { text, reasoning, citations, phase } = this.written.get();
    // while it is being stopped, that is what is said, whatever still comes
    const next = (name: Phase): Phase => (phase === "stopping" ? phase : name);
    switch (event.name) {
      case "passages": {
        const found = event.data as PassagesFound;
        const standalone = found.standalone ?? null;
        this.#change({ id: found.id, passages: found.passages, standalone, phase: next("reading") });
        break;
      }
      case "waiting":
        this.#wait((event.data as { before: number | null }).before, next);
        break;
      case "reasoning":
        this.#change({ reasoning: reasoning + textOf(event.data), phase: next("reading") });
        break;
      case "delta":
        this.#change({ text: text + textOf(event.data), phase: next("writing") });
        break;
      case "citation":
        this.#change({ citations: [...citations, event.data as Citation], phase: next("writing") });
        break;
      case "done": {
        const answer = event.data as Answer;
        this.#change({ id: answer.id, answer, passages: answer.passages, phase: "done" });
        break;
      }
      case "cancelled":
        this.#change({ phase: "cancelled" });
        break;
      case "error":
        this.#fail(sentenceCase((event.data as ProblemDetails).detail));
        break;
      default:
      // a newer service may send more than this page knows of
    }
  }

  #wait(before: number | null, next: (name: Phase) => Phase): void {
    const { id, phase } = this.written.get();
    if (before !== null) this.#change({ phase: next("waiting"), before });
    else if (phase === "waiting") this.#change({ phase: id === null ? "searching" : "reading" });
  }

  #fail(problem: string): void {
    this.#change({ phase: "failed", problem });
  }

  #change(change: Partial<Written>): void {
    this.written.update((written) => ({ ...written, ...change }));
  }
}

/** Nobody else's: `crypto.randomUUID` is there over https only, and an office may have none. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
}

function canBeMended(error: unknown): boolean {
  return isLost(error) || !(error instanceof Problem);
}

function textOf(data: unknown): string {
  return (data as { text: string }).text;
}
