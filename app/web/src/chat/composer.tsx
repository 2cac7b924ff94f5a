// Where a question is written. Enter sends, Shift and Enter begins a line.

import { type SyntheticEvent, type KeyboardEvent, type ReactNode, type Ref, useImperativeHandle, useRef, useState } from "react";
import type { Collection } from "../api/types";
import { useWords } from "../i18n/language";
import { IconButton } from "../ui/button";
import { ScopeChoice } from "./scope-choice";

const MAX_CHARS = 4000;

export interface ComposerHandle {
  focus(): void;
}

interface Props {
  isWriting: boolean;
  isStopping: boolean;
  collections: readonly Collection[];
  onAsk: (question: string) => void;
  onStop: () => void;
  ref?: Ref<ComposerHandle>;
}

export function Composer({ isWriting, isStopping, collections, onAsk, onStop, ref }: Props): ReactNode {
  const t = useWords();
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle(ref, () => ({ focus: () => box.current?.focus() }), []);

  const send = (event?: SyntheticEvent): void => {
    event?.preventDefault();
    const question = text.trim();
    if (!question || isWriting) return;
    setText("");
    onAsk(question);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // isComposing: Enter that chooses a character of an input method is not for us
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" onSubmit={send}>
      <label className="visually-hidden" htmlFor="question">
        {t("question")}
      </label>
      <textarea
        id="question"
        ref={box}
        rows={1}
        maxLength={MAX_CHARS}
        value={text}
        placeholder={t("question")}
        enterKeyHint="send"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="composer-tools">
        <ScopeChoice collections={collections} />
        <span className="spacer" />
        {isWriting ? (
          <IconButton className="send" icon="stop" label={t("stop")} disabled={isStopping} onClick={onStop} />
        ) : (
          <IconButton className="send" icon="arrowUp" label={t("ask")} type="submit" disabled={!text.trim()} />
        )}
      </div>
    </form>
  );
}
