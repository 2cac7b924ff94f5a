// The roles in a collection, in words.

import { people } from "../i18n/people";
import type { Role } from "../shell/session";

const SHORT = { reader: "reader", editor: "editor", owner: "roleOwnerShort" } as const satisfies Record<Role, string>;
const LONG = { reader: "roleReader", editor: "roleEditor", owner: "roleOwner" } as const satisfies Record<Role, string>;

export function roleText(role: Role): string {
  return people.translate(SHORT[role]);
}

/** With what it may. */
export function roleMeaning(role: Role): string {
  return people.translate(LONG[role]);
}
