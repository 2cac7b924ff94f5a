// Whether this browser is signed in, and whose it is. The cookie is out of a script's reach: the service says.

import { call, send, whenSignedOut } from "../api/client";
import { Problem } from "../api/problem";
import type { Me } from "../api/types";
import { Store, useStore } from "../lib/store";

export type Session = "unknown" | "in" | "out" | "lost";
export type Role = NonNullable<Me["collections"]>[number]["role"];
export const ROLES = ["reader", "editor", "owner"] as const satisfies readonly Role[];

export const session = new Store<Session>("unknown");

/** Who is signed in; null before that is known. */
export const me = new Store<Me | null>(null);

export async function findSession(): Promise<void> {
  whenSignedOut(() => session.set("out"));
  try {
    me.set(await call("get", "/v1/me"));
    session.set("in");
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) session.set("lost");
  }
}

/** Uses a link up, and chooses a password where one is given. Raises `Problem` where the link is none, or was used. */
export async function signIn(link: string, password = ""): Promise<void> {
  await call("post", "/v1/sign-in/link", { body: { token: link.trim(), ...(password ? { password } : {}) } });
  await findSession();
}

export async function signInWithPassword(name: string, password: string): Promise<void> {
  await call("post", "/v1/sign-in", { body: { name, password } });
  await findSession();
}

export async function signOut(): Promise<void> {
  await send("/sign-out", { method: "POST" });
  leave();
}

/** Nothing of what was shown may stay in memory. */
export function leave(): void {
  location.assign("/");
}

/** What somebody is called: as they say, else by the name they sign in with. */
export function nameOf(who: { name: string; display_name: string }): string {
  return who.display_name || who.name;
}

/** Whether somebody may do in a collection what a role may; in any of them where none is named. */
export function mayDo(who: Me | null, role: Role, collection?: string): boolean {
  if (who === null) return false;
  if (who.collections === null) return true;
  return who.collections.some(
    (each) => (collection ?? each.name) === each.name && ROLES.indexOf(each.role) >= ROLES.indexOf(role),
  );
}

/** The same for who is signed in, drawn anew when that changes. */
export function useMay(role: Role, collection?: string): boolean {
  return mayDo(useStore(me), role, collection);
}

/** Whether who is signed in owns the service: everything in it, and its people. */
export function useOwnsService(): boolean {
  return useStore(me)?.is_owner ?? false;
}
