// One conversation as it is shown: its turns, and the answer that is being written in it.

import { call } from "../api/client";
import { messageOf } from "../api/problem";
import type { AnswerRequest, Citation, ConversationWhole, Passage, Sentence, Turn } from "../api/types";
import { finishDeletions } from "../documents/remove";
import { currentRoute, navigate } from "../lib/router";
import { Store } from "../lib/store";
import { recall, remember } from "../lib/storage";
import { beginConversation, keep } from "./conversations";
import { LiveAnswer, type Written } from "./live";

/** A question and its answer, however far it is. */
export interface Shown {
  id: string;
  question: string;
  standalone: string | null;
  status: Turn["status"];
  text: string;
  sentences: readonly Sentence[];
  citations: readonly Citation[];
  /** Null where only the service has them. */
  passages: readonly Passage[] | null;
  alternatives: readonly string[];
  isHidden: boolean;
  isWithdrawn: boolean;
  /** What made it and how long that took, where this page saw it. */
  made: { model: string; totalMs: number; confidence: number } | null;
}

export interface ThreadState {
  id: string | null;
  state: "new" | "loading" | "ready" | "failed";
  message: string;
  turns: readonly Shown[];
  live: { answer: LiveAnswer; inPlaceOf: string | null } | null;
  /** The answer that the branch shown ends with, where it is not the newest. */
  end: string | null;
}

export interface Asked extends Pick<AnswerRequest, "collections" | "filter"> {
  question: string;
  inPlaceOf?: string | null;
  sampling?: NonNullable<AnswerRequest["sampling"]>;
}

const MAX_KEPT = 12;
const threads = new Map<string, Thread>();

/** The thread of a conversation; a new one for null. */
export function threadOf(id: string | null): Thread {
  const found = id === null ? undefined : threads.get(id);
  if (found) return found;
  const thread = new Thread(id);
  if (id !== null) register(id, thread);
  return thread;
}

function register(id: string, thread: Thread): void {
  threads.set(id, thread);
  for (const [key, each] of threads) {
    if (threads.size <= MAX_KEPT) return;
    if (each !== thread && !each.isWriting) threads.delete(key);
  }
}

export class Thread {
  readonly state: Store<ThreadState>;
  /** Answers that this page saw in full: their passages and receipts. */
  readonly #seen = new Map<string, Written>();

  constructor(id: string | null) {
    this.state = new Store<ThreadState>({
      id,
      state: id === null ? "new" : "loading",
      message: "",
      turns: [],
      live: null,
      end: null,
    });
  }

  get isWriting(): boolean {
    const { live } = this.state.get();
    return live !== null && !live.answer.isOver;
  }

  /** Loads the branch that ends with an answer, by default the newest. */
  async load(end: string | null = null): Promise<void> {
    const { id } = this.state.get();
    if (id === null) return;
    try {
      const whole = await fetchBranch(id, end);
      const newest = end === null ? whole : await fetchBranch(id, null);
      keep(whole);
      const turns = whole.turns.map((turn) => shownTurn(turn, this.#seen.get(turn.id)));
      const isNewest = whole.turns.at(-1)?.id === newest.turns.at(-1)?.id;
      this.#change({ state: "ready", turns, end: isNewest ? null : end });
      this.#dropStored(turns);
      void this.#resume(id, turns);
    } catch (error) {
      this.#change({ state: "failed", message: messageOf(error) });
    }
  }

  /** Asks, and follows until the answer has ended. */
  async ask({ question, inPlaceOf = null, sampling, ...narrowed }: Asked): Promise<void> {
    if (this.isWriting) return;
    const answer = new LiveAnswer(question);
    this.#change({ live: { answer, inPlaceOf } });
    let id: string;
    try {
      await finishDeletions();
      id = await this.#begin();
    } catch (error) {
      answer.written.update((written) => ({ ...written, phase: "failed", problem: messageOf(error) }));
      return;
    }
    await this.#follow(id, answer, () =>
      answer.ask({
        question,
        conversation_id: id,
        ...(inPlaceOf ? { in_place_of: inPlaceOf } : {}),
        ...(sampling ? { sampling } : {}),
        ...narrowed,
      }),
    );
  }

  async #begin(): Promise<string> {
    const { id } = this.state.get();
    if (id !== null) return id;
    const made = await beginConversation();
    register(made.id, this);
    this.#change({ id: made.id, state: "ready" });
    const route = currentRoute();
    if (route.name === "chat" && route.conversation === null) {
      navigate({ name: "chat", conversation: made.id, answer: null }, { replace: true });
    }
    return made.id;
  }

  /** An answer that was being written when this page was left or reloaded. */
  async #resume(id: string, turns: readonly Shown[]): Promise<void> {
    const begun = recall("session", `live.${id}`);
    if (begun === null || this.state.get().live !== null) return;
    const { answerId, question } = JSON.parse(begun) as { answerId: string; question: string };
    if (turns.some((turn) => turn.id === answerId)) {
      remember("session", `live.${id}`, null);
      return;
    }
    const answer = new LiveAnswer(question);
    this.#change({ live: { answer, inPlaceOf: null } });
    await this.#follow(id, answer, () => answer.resume(answerId));
  }

  async #follow(id: string, answer: LiveAnswer, run: () => Promise<void>): Promise<void> {
    const forget = answer.written.subscribe(() => {
      const { id: answerId, question } = answer.written.get();
      if (answerId === null || recall("session", `live.${id}`) !== null) return;
      remember("session", `live.${id}`, JSON.stringify({ answerId, question }));
    });
    await run();
    forget();
    remember("session", `live.${id}`, null);
    const written = answer.written.get();
    if (written.id === null) return;
    this.#seen.set(written.id, written);
    await this.load();
  }

  /** What the service has stored is shown from there. */
  #dropStored(turns: readonly Shown[]): void {
    const { live } = this.state.get();
    if (live?.answer.isOver && turns.some((turn) => turn.id === live.answer.written.get().id)) {
      this.#change({ live: null });
    }
  }

  #change(change: Partial<ThreadState>): void {
    this.state.update((state) => ({ ...state, ...change }));
  }
}

function fetchBranch(id: string, end: string | null): Promise<ConversationWhole> {
  return call("get", "/v1/conversations/{conversation_id}", {
    params: { conversation_id: id },
    query: { answer: end },
  });
}

function shownTurn(turn: Turn, seen: Written | undefined): Shown {
  const { answer } = seen ?? { answer: null };
  return {
    id: turn.id,
    question: turn.question,
    standalone: turn.standalone,
    status: turn.status,
    text: turn.answer,
    sentences: turn.sentences,
    citations: turn.citations,
    passages: turn.withdrawn.length || turn.hidden ? null : (answer?.passages ?? null),
    alternatives: turn.alternatives,
    isHidden: turn.hidden,
    isWithdrawn: turn.withdrawn.length > 0,
    made: answer && madeOf(answer),
  };
}

/** An answer that has just come to its end, before the service's list of turns has it. */
export function shownWritten({ id, question, answer }: Written): Shown | null {
  if (!answer) return null;
  return {
    id: id ?? answer.id,
    question,
    standalone: answer.standalone ?? null,
    status: answer.status,
    text: answer.answer,
    sentences: answer.sentences,
    citations: answer.citations,
    passages: answer.passages,
    alternatives: [],
    isHidden: false,
    isWithdrawn: false,
    made: madeOf(answer),
  };
}

function madeOf(answer: NonNullable<Written["answer"]>): Shown["made"] {
  return {
    model: answer.receipt.model,
    totalMs: answer.timings.total_ms,
    confidence: answer.confidence,
  };
}

/** The turns that stay while one of them is asked anew: those before it. */
export function turnsBefore(state: ThreadState): readonly Shown[] {
  const { live, turns } = state;
  if (!live?.inPlaceOf) return turns;
  const at = turns.findIndex((turn) => turn.id === live.inPlaceOf);
  return at < 0 ? turns : turns.slice(0, at);
}
