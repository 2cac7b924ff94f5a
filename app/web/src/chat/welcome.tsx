// Before the first question: what this is, and where to begin.

import type { ReactNode } from "react";
import type { Collection } from "../api/types";
import { collections } from "../collections/collections";
import { chooseFiles } from "../documents/choose";
import { count, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { useMay } from "../shell/session";
import { Button } from "../ui/button";
import { type Scope, scope } from "./scope";

const MAX_OFFERED = 4;

interface Props {
  onAsk: (question: string) => void;
}

export function Welcome({ onAsk }: Props): ReactNode {
  const t = useWords();
  const listed = useStore(collections);
  const numDocuments = listed.items.reduce((sum, each) => sum + each.num_documents, 0);
  const isFirst = listed.state === "ready" && numDocuments === 0;
  const mayAdd = useMay("editor");
  const chosen = useStore(scope);
  return (
    <section className="welcome">
      <img src="/static/logo.svg" alt="" width="52" height="52" />
      <h2>{isFirst ? t(mayAdd ? "welcomeFirst" : "welcomeNothing") : t("welcomeTitle")}</h2>
      <p>{isFirst ? t(mayAdd ? "welcomeFirstLead" : "welcomeNothingLead") : t("welcomeLead")}</p>
      {isFirst && !mayAdd ? null : isFirst ? (
        <Button kind="main" icon="upload" onClick={() => chooseFiles()}>
          {t("choose")}
        </Button>
      ) : (
        listed.state === "ready" && (
          <>
            <p className="quiet small">{count("documentsHere", numDocuments)}</p>
            <FirstQuestions offered={offeredBy(listed.items, chosen)} onAsk={onAsk} />
          </>
        )
      )}
    </section>
  );
}

/** Without `onAsk` they are only shown. */
export function FirstQuestions({ offered, onAsk }: { offered: readonly string[] } & Partial<Props>): ReactNode {
  const t = useWords();
  if (!offered.length) return null;
  return (
    <ul className="first-questions" aria-label={t("firstQuestions")}>
      {offered.map((question) => (
        <li key={question}>
          <button type="button" disabled={!onAsk} onClick={() => onAsk?.(question)}>
            {question}
          </button>
        </li>
      ))}
    </ul>
  );
}

function offeredBy(collections: readonly Collection[], chosen: Scope): string[] {
  const asked = collections.filter(({ name }) => chosen.kind === "everything" || (chosen.kind === "collection" && chosen.name === name));
  return firstQuestions(asked.map(({ settings }) => settings.first_questions ?? []));
}

/** What is offered of these lists: some of each, the first of each first. */
export function firstQuestions(lists: readonly (readonly string[])[]): string[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  const inTurn = Array.from({ length: longest }, (_, at) => lists.map((list) => list[at])).flat();
  return [...new Set(inTurn.filter((question) => question !== undefined))].slice(0, MAX_OFFERED);
}
