// The turns of a conversation; only those near the window are drawn, so that hundreds scroll smoothly.

import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import { useStoreIf } from "../lib/store";
import { Exchange } from "./exchange";
import { type Asked, type Shown, type Thread, type ThreadState, turnsBefore } from "./thread";
import { Writing } from "./writing";

const GUESSED_HEIGHT = 320;
const NEAR_END_PX = 120;

interface Props {
  thread: Thread;
  state: ThreadState;
  onAsk: (asked: Asked) => void;
  onBranch: (answerId: string) => void;
}

export function Turns({ thread, state, onAsk, onBranch }: Props): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const { live } = state;
  const written = useStoreIf(live?.answer.written ?? null);
  const turns = turnsBefore(state);
  const count = turns.length + (live ? 1 : 0);
  const liveKey = written?.id ?? "live";
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => GUESSED_HEIGHT,
    getItemKey: (index) => turns[index]?.id ?? liveKey,
    overscan: 3,
    // a reader who is at the end stays there while words come; who has scrolled away is left alone
    anchorTo: "end",
    scrollEndThreshold: NEAR_END_PX,
  });
  // whoever opens a conversation or asks in it sees its end
  useLayoutEffect(() => {
    if (count) virtual.scrollToEnd();
  }, [virtual, state.id, count]);

  const items = virtual.getVirtualItems();
  return (
    // the keyboard must be able to scroll it
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="thread" ref={scroller} tabIndex={0} role="log" aria-live="off">
      <div className="thread-all" style={{ height: virtual.getTotalSize() }}>
        <div className="thread-shown" style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
          {items.map((item) => (
            <div key={item.key} data-index={item.index} ref={virtual.measureElement} className="thread-item">
              <Item turn={turns[item.index]} thread={thread} state={state} onAsk={onAsk} onBranch={onBranch} />
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

function Item({ turn, thread, state, onAsk, onBranch }: Props & { turn: Shown | undefined }): ReactNode {
  if (turn) {
    return (
      <Exchange
        turn={turn}
        isBusy={thread.isWriting}
        onAsk={(question) => onAsk({ question, inPlaceOf: turn.id })}
        onRegenerate={() => onAsk({ question: turn.question, inPlaceOf: turn.id, sampling: anotherWay() })}
        onBranch={onBranch}
      />
    );
  }
  const { live } = state;
  return live && <Writing live={live.answer} onAsk={(question) => onAsk({ question, inPlaceOf: live.inPlaceOf })} />;
}

// the same sampling would give the same answer
function anotherWay(): NonNullable<Asked["sampling"]> {
  return { temperature: 0.7, seed: Math.floor(Math.random() * 2 ** 31) };
}
