// The chat: a conversation, the box to ask in, and the evidence beside it.

import { type ReactNode, useEffect, useMemo, useRef } from "react";
import { loadCollections, collections as listed } from "../collections/collections";
import { EvidencePanel } from "../evidence/panel";
import { useWords } from "../i18n/language";
import { navigate } from "../lib/router";
import { useStore, useStoreIf } from "../lib/store";
import { Button } from "../ui/button";
import { Failed, Loading } from "../ui/states";
import { Composer, type ComposerHandle } from "./composer";
import { narrowing, scope } from "./scope";
import { ShareDialog } from "./share";
import { type Asked, threadOf } from "./thread";
import { Turns } from "./turns";
import { Welcome } from "./welcome";

interface Props {
  conversation: string | null;
  answer: string | null;
}

export function ChatPage({ conversation, answer }: Props): ReactNode {
  const t = useWords();
  const thread = useMemo(() => threadOf(conversation), [conversation]);
  const state = useStore(thread.state);
  const written = useStoreIf(state.live?.answer.written ?? null);
  const { items: collections } = useStore(listed);
  const composer = useRef<ComposerHandle>(null);

  useEffect(() => void loadCollections(), []);
  useEffect(() => void thread.load(answer), [thread, answer]);
  useEffect(() => composer.current?.focus(), [conversation]);

  const ask = (asked: Asked): void => {
    if (answer !== null && conversation !== null) navigate({ name: "chat", conversation, answer: null }, { replace: true });
    void thread.ask({ ...narrowing(scope.get()), ...asked });
  };
  const showBranch = (end: string): void => {
    if (state.id !== null) navigate({ name: "chat", conversation: state.id, answer: end });
  };
  const isEmpty = state.turns.length === 0 && state.live === null;
  return (
    <div className="chat-page">
      <div className="chat">
        <h1 className="visually-hidden">{t("chat")}</h1>
        {state.state === "loading" && isEmpty && <Loading />}
        {state.state === "failed" && <Failed message={state.message} onRetry={() => void thread.load(answer)} />}
        {isEmpty && (state.state === "new" || state.state === "ready") && <Welcome onAsk={(question) => ask({ question })} />}
        {!isEmpty && <Turns thread={thread} state={state} onAsk={ask} onBranch={showBranch} />}
        {state.end !== null && state.id !== null && (
          <p className="branch-note">
            {t("earlierBranch")}
            <Button kind="quiet" onClick={() => navigate({ name: "chat", conversation: state.id, answer: null })}>
              {t("toNewest")}
            </Button>
          </p>
        )}
        <Composer
          ref={composer}
          isWriting={thread.isWriting}
          isStopping={written?.phase === "stopping"}
          collections={collections}
          onAsk={(question) => ask({ question })}
          onStop={() => void state.live?.answer.stop()}
        />
        <p className="composer-note">{t("askNote")}</p>
      </div>
      <EvidencePanel />
      <ShareDialog />
    </div>
  );
}
