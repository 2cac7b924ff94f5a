// Short notes inside a conversation.

import type { ReactNode } from "react";
import { Icon } from "../ui/icon";

/** What kind of answer it is, where that is not the usual one. */
export function Tag({ text }: { text: string }): ReactNode {
  return (
    <p className="tag">
      <Icon name="warn" size={16} />
      {text}
    </p>
  );
}

export function Notice({ text }: { text: string }): ReactNode {
  return (
    <p className="aside-note">
      <Icon name="info" size={16} />
      {text}
    </p>
  );
}
