// The text of a document around a place, which is marked; more of it on demand.

import { type ReactNode, useEffect, useRef, useState } from "react";
import { useWords } from "../i18n/language";
import { useLoaded } from "../lib/use";
import { unitOffsets } from "../lib/text";
import { Button } from "../ui/button";
import { Failed, Loading } from "../ui/states";
import { textOf } from "./documents";

const CONTEXT_CHARS = 1200;
const MORE_CHARS = 6000;

interface Props {
  documentId: string;
  version: number;
  /** Offsets in characters; null shows the beginning and marks nothing. */
  mark: { start: number; end: number } | null;
}

export function TextView({ documentId, version, mark }: Props): ReactNode {
  const loaded = useLoaded(`${documentId}@${version}`, () => textOf(documentId, version));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  // a fresh window for every place
  return <Window key={mark ? `${mark.start}-${mark.end}` : "all"} text={loaded.value.text} mark={mark} />;
}

function Window({ text, mark }: { text: string; mark: Props["mark"] }): ReactNode {
  const t = useWords();
  const unit = unitOffsets(text);
  const [start, end] = mark ? [unit(mark.start), unit(mark.end)] : [0, 0];
  const [from, setFrom] = useState(Math.max(0, start - CONTEXT_CHARS));
  const [to, setTo] = useState(end + (mark ? CONTEXT_CHARS : MORE_CHARS));
  const marked = useRef<HTMLElement>(null);
  useEffect(() => {
    // in braces: what it gives back, a promise in new browsers, is no cleaning up
    marked.current?.scrollIntoView({ block: "center" });
  }, []);
  return (
    <div className="document-text">
      {from > 0 && (
        <Button kind="quiet" icon="arrowUp" onClick={() => setFrom(Math.max(0, from - MORE_CHARS))}>
          {t("moreBefore")}
        </Button>
      )}
      <div className="page-text">
        {text.slice(from, start)}
        {mark && <mark ref={marked}>{text.slice(start, end)}</mark>}
        {text.slice(end, to)}
      </div>
      {to < text.length && (
        <Button kind="quiet" icon="chevron" onClick={() => setTo(to + MORE_CHARS)}>
          {t("moreAfter")}
        </Button>
      )}
    </div>
  );
}
