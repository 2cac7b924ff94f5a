// One document in the list: what it is, how far it is, and what can be done with it.

import { memo, type ReactNode } from "react";
import type { Document, Job } from "../api/types";
import { dateText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { attempt } from "../lib/attempt";
import { Link } from "../lib/router";
import { sentenceCase } from "../lib/text";
import { useMay } from "../shell/session";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Meter } from "../ui/states";
import { cancelJob, isOpenJob, retryJob } from "./jobs";
import { LabelChips } from "./label-chips";
import { PasswordButton, wantsPassword } from "./password";
import { deleteDocument } from "./remove";
import { factsOf, stageText, stateText } from "./stages";

/** The element that rows scroll in. */
export const LIST_ID = "document-list";

interface Props {
  item: Document;
  job: Job | undefined;
  showCollection: boolean;
  /** Whether it is among the chosen ones; null where none are chosen. */
  isChosen: boolean | null;
  onTurn: (id: string) => void;
}

export const DocumentRow = memo(function DocumentRow({ item, job, showCollection, isChosen, onTurn }: Props): ReactNode {
  const t = useWords();
  const mayLabel = useMay("editor", item.collection);
  const isOpen = isOpenJob(item.state);
  return (
    <div className={`document ${item.state}`}>
      {isChosen !== null && mayLabel && (
        <input
          type="checkbox"
          className="document-tick"
          aria-label={t("chooseOf", { name: item.name })}
          checked={isChosen}
          onChange={() => onTurn(item.id)}
        />
      )}
      <span className="document-sign">
        <Icon name={item.state === "failed" ? "warn" : "file"} />
      </span>
      <div className="document-words">
        <Link className="document-name" to={{ name: "document", id: item.id, version: null }}>
          {item.name}
        </Link>
        {isOpen ? <Progress item={item} job={job} /> : <Facts item={item} job={job} />}
        <LabelChips labels={item.labels} />
      </div>
      {showCollection && <span className="document-collection clipped">{item.collection}</span>}
      <time className="document-date" dateTime={item.version.created_at}>
        {dateText(item.version.created_at)}
      </time>
      <Buttons item={item} job={job} isOpen={isOpen} />
    </div>
  );
});

function Progress({ item, job }: Pick<Props, "item" | "job">): ReactNode {
  useWords();
  return (
    <span className="document-progress">
      <span className="small quiet">{stageText(job, item.state)}</span>
      <Meter label={item.name} done={job?.done ?? 0} total={job?.total ?? null} />
    </span>
  );
}

function Facts({ item, job }: Pick<Props, "item" | "job">): ReactNode {
  const t = useWords();
  if (item.state === "failed") {
    return <span className="document-error small">{sentenceCase(job?.error?.message ?? t("stateFailed"))}</span>;
  }
  const isCancelled = item.state === "cancelled";
  return (
    <span className="small quiet">{[isCancelled && stateText(item.state), factsOf(item)].filter(Boolean).join(" · ")}</span>
  );
}

function Buttons({ item, job, isOpen }: Pick<Props, "item" | "job"> & { isOpen: boolean }): ReactNode {
  const t = useWords();
  const { name } = item;
  const mayChange = useMay("editor", item.collection);
  const remove = (): void => {
    deleteDocument(item);
    // its row goes, and the focus with it
    document.getElementById(LIST_ID)?.focus();
  };
  const isLocked = item.state === "failed" && wantsPassword(job?.error?.code);
  const canRetry = item.state === "cancelled" || (item.state === "failed" && job?.error?.retryable !== false);
  if (!mayChange) return null;
  return (
    <span className="document-buttons">
      {isLocked && <PasswordButton item={item} />}
      {canRetry && !isLocked && (
        <IconButton icon="retry" label={t("retryOf", { name })} onClick={() => void attempt(() => retryJob(item.newest.job_id))} />
      )}
      {isOpen ? (
        <IconButton icon="close" label={t("cancelOf", { name })} onClick={() => void attempt(() => cancelJob(item.newest.job_id))} />
      ) : (
        <IconButton icon="trash" label={t("deleteOf", { name })} onClick={remove} />
      )}
    </span>
  );
}
