// Small hooks that several rooms share.

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { messageOf } from "../api/problem";

/** Whether a media query holds, as it changes. */
export function useMedia(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const list = matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

export type Loaded<T> =
  | { state: "loading" }
  | { state: "ready"; value: T }
  | { state: "failed"; message: string };

/**
 * What `load` gives; loaded anew whenever `key` changes. A null key loads nothing.
 * With `keepsOld` what was there is shown until the new comes: for the same thing, asked for again.
 */
export function useLoaded<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  { keepsOld = false } = {},
): Loaded<T> {
  const [held, setHeld] = useState<{ key: string | null; loaded: Loaded<T> }>({
    key: null,
    loaded: { state: "loading" },
  });
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    latest.current(control.signal).then(
      (value) => {
        // not every load can be stopped: one that another has followed must not take its place
        if (!control.signal.aborted) setHeld({ key, loaded: { state: "ready", value } });
      },
      (error: unknown) => {
        if (!control.signal.aborted) setHeld({ key, loaded: { state: "failed", message: messageOf(error) } });
      },
    );
    return () => control.abort();
  }, [key]);
  return held.key === key || (keepsOld && held.loaded.state === "ready") ? held.loaded : { state: "loading" };
}

/** As `useLoaded`, and what loads it anew: what was there is shown until the new comes. */
export function useReloaded<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
): readonly [loaded: Loaded<T>, reload: () => void] {
  const [times, setTimes] = useState(0);
  const loaded = useLoaded(`${key}/${times}`, load, { keepsOld: true });
  return [loaded, useCallback(() => setTimes((n) => n + 1), [])];
}

/** As `useReloaded`, and loaded anew by itself some time after each answer, as long as `isLive` says so of the last one. */
export function useWatched<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  { everyMs, isLive }: { everyMs: number; isLive: (value: T) => boolean },
): readonly [loaded: Loaded<T>, reload: () => void] {
  const [loaded, reload] = useReloaded(key, load);
  const isWatched = loaded.state === "failed" || (loaded.state === "ready" && isLive(loaded.value));
  useEffect(() => {
    if (!isWatched) return;
    const timer = setInterval(() => {
      // nobody looks: nothing is asked
      if (document.hidden) return;
      // the answer starts the next wait: one that is slow to come is never given up for another
      clearInterval(timer);
      reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [loaded, isWatched, everyMs, reload]);
  return [loaded, reload];
}

/** A value that follows another one once it has rested for a while. */
export function useRested<T>(value: T, delayMs: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return rested;
}
