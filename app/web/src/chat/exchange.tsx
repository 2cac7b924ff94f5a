// A question and its answer: while it is written, and when it has ended.

import { type SyntheticEvent, type ReactNode, useCallback, useMemo, useState } from "react";
import { AnswerText } from "../answer/answer-text";
import { CitationChip } from "../answer/citation-chip";
import type { Sentence } from "../api/types";
import { placeOfCitation } from "../evidence/evidence";
import { useWords } from "../i18n/language";
import { Button } from "../ui/button";
import { Notice, Tag } from "./notes";
import { Refusal } from "./refusal";
import { Sources } from "./sources";
import type { Shown } from "./thread";
import { Tools } from "./tools";

interface Props {
  turn: Shown;
  isBusy: boolean;
  onAsk: (question: string) => void;
  onRegenerate: () => void;
  onBranch: (answerId: string) => void;
}

export function Exchange({ turn, isBusy, onAsk, onRegenerate, onBranch }: Props): ReactNode {
  const t = useWords();
  const [isEditing, setEditing] = useState(false);
  return (
    <article className="exchange">
      {isEditing ? (
        <EditQuestion
          question={turn.question}
          onCancel={() => setEditing(false)}
          onSend={(question) => {
            setEditing(false);
            onAsk(question);
          }}
        />
      ) : (
        <Question text={turn.question} standalone={turn.standalone} />
      )}
      <Ended turn={turn} />
      {!isEditing && (
        <Tools
          turn={turn}
          isBusy={isBusy}
          onEdit={() => setEditing(true)}
          onRegenerate={onRegenerate}
          onBranch={onBranch}
        />
      )}
      {turn.isWithdrawn && <Notice text={t("withdrawn")} />}
    </article>
  );
}

export function Question({ text, standalone }: { text: string; standalone: string | null }): ReactNode {
  const t = useWords();
  return (
    <header className="asked">
      <h2>
        <span className="visually-hidden">{t("you")}: </span>
        {text}
      </h2>
      {standalone !== null && standalone !== text && <p className="quiet small">{t("standalone", { text: standalone })}</p>}
    </header>
  );
}

function EditQuestion(props: { question: string; onSend: (text: string) => void; onCancel: () => void }): ReactNode {
  const t = useWords();
  const [text, setText] = useState(props.question);
  const send = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (text.trim()) props.onSend(text.trim());
  };
  return (
    <form className="edit-question" onSubmit={send}>
      <textarea
        aria-label={t("editQuestion")}
        value={text}
        rows={2}
        maxLength={4000}
        // it appears because somebody asked to write in it
        // eslint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && props.onCancel()}
      />
      <div className="edit-buttons">
        <Button onClick={props.onCancel}>{t("cancel")}</Button>
        <Button kind="main" type="submit" disabled={!text.trim()}>
          {t("askAgain")}
        </Button>
      </div>
    </form>
  );
}

/** The answer itself, whatever became of it. */
export function Ended({ turn }: { turn: Shown }): ReactNode {
  const t = useWords();
  const places = useMemo(
    () => turn.citations.map((citation) => placeOfCitation(citation, turn.passages ?? [])),
    [turn.citations, turn.passages],
  );
  const renderSources = useCallback(
    (sentence: Sentence, index: number) =>
      sentence.citations.map((n) => {
        const place = places.find((each) => each.cited?.n === n);
        return place && <CitationChip key={`${index}.${n}`} place={place} places={places} />;
      }),
    [places],
  );
  if (turn.isHidden) return <Notice text={t("hidden")} />;
  if (turn.status === "refused") return <Refusal turn={turn} />;
  return (
    <>
      {turn.status === "partial" && <Tag text={t("partial")} />}
      <AnswerText text={turn.text} sentences={turn.sentences} renderSources={renderSources} />
      {turn.status === "cancelled" && <Notice text={t("stopped")} />}
      {turn.status === "failed" && <Notice text={t("failedAnswer")} />}
      <Sources places={places} />
    </>
  );
}
