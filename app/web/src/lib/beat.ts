// A number that grows while something is under way, for what has to be asked again.

import { useEffect, useState } from "react";

export function useBeat(isLive: boolean, everyMs: number): number {
  const [beat, setBeat] = useState(0);
  useEffect(() => {
    if (!isLive) return;
    const timer = setInterval(() => {
      // nobody looks: nothing is asked
      if (!document.hidden) setBeat((n) => n + 1);
    }, everyMs);
    return () => clearInterval(timer);
  }, [isLive, everyMs]);
  return beat;
}
