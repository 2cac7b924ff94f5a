// What is handed over as text: a key, a link. It can be copied, and selected where there is no clipboard.

import type { ReactNode } from "react";
import { CopyButton } from "./copy";

interface Props {
  /** What it is, for who does not see it. */
  label: string;
  text: string;
  lead: string;
  note?: string;
  /** The buttons below. */
  children: ReactNode;
}

export function Secret({ label, text, lead, note, children }: Props): ReactNode {
  return (
    <div className="form">
      <p>{lead}</p>
      <div className="secret">
        <input readOnly aria-label={label} value={text} onFocus={(event) => event.target.select()} />
        <CopyButton text={text} />
      </div>
      {note && <p className="quiet small">{note}</p>}
      <div className="dialog-buttons">{children}</div>
    </div>
  );
}
