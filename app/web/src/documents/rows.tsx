// The list itself: only the rows near the window are drawn, and more are fetched as it is scrolled.

import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import type { Document } from "../api/types";
import { useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { jobs } from "./jobs";
import { fetchMore } from "./list";
import { DocumentRow, LIST_ID } from "./row";

const ROW_HEIGHT = 64;
const FETCH_BEFORE_END = 30;

interface Props {
  items: readonly Document[];
  hasMore: boolean;
  showCollection: boolean;
  /** Ids of the chosen documents, and how to choose one or not; null where that is not wanted. */
  chosen: ReadonlySet<string> | null;
  onTurn: (id: string) => void;
}

export function DocumentRows({ items, hasMore, showCollection, chosen, onTurn }: Props): ReactNode {
  const t = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const known = useStore(jobs);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => items[index]?.id ?? index,
    overscan: 8,
  });
  const rows = virtual.getVirtualItems();
  const last = rows.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && last >= items.length - FETCH_BEFORE_END) void fetchMore();
  }, [hasMore, last, items.length]);
  return (
    // the keyboard must be able to scroll it
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div id={LIST_ID} className="rows" ref={scroller} tabIndex={0} role="group" aria-label={t("documents")}>
      <ul style={{ height: virtual.getTotalSize() }}>
        {rows.map(({ key, index, start }) => {
          const item = items[index];
          return (
            item && (
              <li
                key={key}
                data-index={index}
                ref={virtual.measureElement}
                aria-setsize={hasMore ? -1 : items.length}
                aria-posinset={index + 1}
                style={{ transform: `translateY(${start}px)` }}
              >
                <DocumentRow
                  item={item}
                  job={known.get(item.newest.job_id)}
                  showCollection={showCollection}
                  isChosen={chosen?.has(item.id) ?? null}
                  onTurn={onTurn}
                />
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}
