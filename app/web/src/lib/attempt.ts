// Do something that the service may refuse.

import { messageOf } from "../api/problem";
import { notify } from "../ui/toasts";

/** Does it, and tells what was refused. Returns whether it was done. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    notify(messageOf(error), { isBad: true });
    return false;
  }
}
