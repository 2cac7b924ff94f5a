// Change what others may change at the same time: never what somebody has not seen.

import { translate } from "../i18n/language";
import type { Tagged } from "./client";
import { Problem } from "./problem";

const MAX_TRIES = 5;

/**
 * Reads the thing once more, and writes where it is still as the person saw it. Raises `Problem` where somebody else
 * has changed that. What else of it has changed, such as a number of documents, matters to nobody: it is read again.
 */
export async function changeAsSeen<T>(
  read: () => Promise<Tagged<T>>,
  isAsSeen: (now: T) => boolean,
  write: (tag: string) => Promise<unknown>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { value, tag } = await read();
    if (!isAsSeen(value)) throw new Problem(412, "changed_meanwhile", translate("changedMeanwhile"));
    try {
      await write(tag);
      return;
    } catch (error) {
      if (tries === MAX_TRIES || !(error instanceof Problem && error.status === 412)) throw error;
    }
  }
}
