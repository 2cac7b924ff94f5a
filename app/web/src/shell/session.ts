// Whether this browser is signed in. The cookie is out of a script's reach: the service says.

import { call, send, whenSignedOut } from "../api/client";
import { Problem } from "../api/problem";
import { Store } from "../lib/store";

export type Session = "unknown" | "in" | "out";

export const session = new Store<Session>("unknown");

export async function findSession(): Promise<void> {
  whenSignedOut(() => session.set("out"));
  try {
    await call("get", "/v1/version");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return;
    // it cannot be reached: the rooms say so, and can try again
  }
  session.set("in");
}

/** Uses a link up. Raises `Problem` where it is none, or was used already. */
export async function signIn(link: string): Promise<void> {
  await call("post", "/v1/sign-in/link", { body: { token: link.trim() } });
  session.set("in");
}

export async function signInWithPassword(name: string, password: string): Promise<void> {
  await call("post", "/v1/sign-in", { body: { name, password } });
  session.set("in");
}

export async function signOut(): Promise<void> {
  await send("/sign-out", { method: "POST" });
  // nothing of what was shown may stay in memory
  location.assign("/");
}
