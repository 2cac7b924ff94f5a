// Code with its language and a way to copy it.

import type { ReactNode } from "react";
import { CopyButton } from "../ui/copy";

export function CodeBlock({ code, language }: { code: string; language: string | null }): ReactNode {
  return (
    <span className="code-block">
      <span className="code-head">
        <span>{language}</span>
        <CopyButton text={code} />
      </span>
      {/* the keyboard must be able to scroll a long line */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <code tabIndex={0}>{code}</code>
    </span>
  );
}
