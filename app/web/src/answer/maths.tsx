// A formula. KaTeX is loaded when the first one comes, and writes MathML, which browsers draw themselves.

import { type ReactNode, useEffect, useRef, useState } from "react";

export function Maths({ tex, isBlock = false }: { tex: string; isBlock?: boolean }): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  const [drawn, setDrawn] = useState<string | null>(null);
  const isDrawn = drawn === tex;
  useEffect(() => {
    let isCurrent = true;
    void import("katex").then(({ default: katex }) => {
      if (!isCurrent || !place.current) return;
      try {
        katex.render(tex, place.current, { displayMode: isBlock, output: "mathml", strict: "ignore", maxExpand: 200 });
        setDrawn(tex);
      } catch {
        // not a formula that it knows: what was written stays
      }
    });
    return () => {
      isCurrent = false;
    };
  }, [tex, isBlock]);
  return (
    <span className={isBlock ? "maths block" : "maths"}>
      <span ref={place} hidden={!isDrawn} />
      {!isDrawn && <code>{tex}</code>}
    </span>
  );
}
