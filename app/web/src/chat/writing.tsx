// An answer while it is written: what is being done, and the words that have come.

import type { ReactNode } from "react";
import { AnswerText } from "../answer/answer-text";
import { count, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { Button } from "../ui/button";
import { Failed } from "../ui/states";
import { Exchange, Question } from "./exchange";
import type { LiveAnswer, Written } from "./live";
import { Notice } from "./notes";
import { shownWritten } from "./thread";

interface Props {
  live: LiveAnswer;
  onAsk: (question: string) => void;
}

export function Writing({ live, onAsk }: Props): ReactNode {
  const t = useWords();
  const written = useStore(live.written);
  const ended = shownWritten(written);
  if (ended) {
    return <Exchange turn={ended} isBusy onAsk={onAsk} onRegenerate={() => undefined} onBranch={() => undefined} />;
  }
  const { phase, text, reasoning } = written;
  const isOver = live.isOver;
  return (
    <article className="exchange" aria-busy={!isOver}>
      <Question text={written.question} standalone={written.standalone} />
      {!isOver && <Status written={written} />}
      {reasoning && (
        <details className="reasoning">
          <summary>{t("reasoning")}</summary>
          <p>{reasoning}</p>
        </details>
      )}
      <div className={isOver ? "unchecked" : "being-written"}>{text && <AnswerText text={text} />}</div>
      {phase === "cancelled" && <Notice text={t("stopped")} />}
      {phase === "failed" && <Failed message={written.problem ?? t("unknownError")} />}
      {isOver && (
        <footer className="tools">
          <Button icon="retry" onClick={() => onAsk(written.question)}>
            {t("askAgain")}
          </Button>
        </footer>
      )}
    </article>
  );
}

function Status({ written }: { written: Written }): ReactNode {
  const t = useWords();
  const words = {
    searching: () => t("searching"),
    reading: () => count("reading", written.passages.length),
    waiting: () => (written.before ? count("before", written.before) : t("next")),
    writing: () => t("writing"),
    reconnecting: () => t("reconnecting"),
    stopping: () => t("stopping"),
    done: () => "",
    cancelled: () => "",
    failed: () => "",
  }[written.phase];
  return (
    <p className="status" role="status">
      <span className="pulse" />
      {words()}
    </p>
  );
}
