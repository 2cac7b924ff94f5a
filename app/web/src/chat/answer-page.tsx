// An answer that somebody shares: the question, what was answered, and the sources beside it.

import type { ReactNode } from "react";
import { call } from "../api/client";
import { Problem } from "../api/problem";
import type { StoredAnswer } from "../api/types";
import { EvidencePanel } from "../evidence/panel";
import { dateText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { Link, NEW_CHAT } from "../lib/router";
import { useLoaded } from "../lib/use";
import { Empty, Failed, Loading } from "../ui/states";
import { Ended, Question } from "./exchange";
import type { Shown } from "./thread";

export function AnswerPage({ id }: { id: string }): ReactNode {
  const t = useWords();
  const loaded = useLoaded(id, async (signal) => {
    try {
      return await call("get", "/v1/answers/{answer_id}", { params: { answer_id: id }, signal });
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  });
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  if (loaded.value === null) {
    return (
      <div className="room">
        <h1 className="visually-hidden">{t("sharedAnswer")}</h1>
        <Empty icon="search" title={t("missing")} text={t("sharedMissing")} />
      </div>
    );
  }
  const turn = shownStored(loaded.value);
  return (
    <div className="chat-page">
      <div className="chat">
        <h1 className="visually-hidden">{t("sharedAnswer")}</h1>
        {/* the keyboard must be able to scroll it */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <div className="thread" tabIndex={0} role="region" aria-label={t("sharedAnswer")}>
          <div className="thread-item">
            <article className="exchange">
              <p className="quiet small shared-note">{t("sharedLead", { date: dateText(loaded.value.created_at) })}</p>
              <Question text={turn.question} standalone={turn.standalone} />
              <Ended turn={turn} />
              <footer className="tools">
                <Link className="button" to={NEW_CHAT}>
                  {t("askOwn")}
                </Link>
              </footer>
            </article>
          </div>
        </div>
      </div>
      <EvidencePanel />
    </div>
  );
}

function shownStored(answer: StoredAnswer): Shown {
  return {
    id: answer.id,
    question: answer.question,
    standalone: answer.standalone ?? null,
    status: answer.status,
    text: answer.answer,
    sentences: answer.sentences,
    citations: answer.citations,
    passages: answer.passages,
    alternatives: [],
    isHidden: false,
    isWithdrawn: answer.redacted_at !== null,
    made: null,
  };
}
