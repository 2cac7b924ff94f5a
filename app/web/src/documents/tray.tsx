// Files that are being added, in a corner of every page: progress of each, cancel, try again.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Job, Version } from "../api/types";
import { count, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { sentenceCase } from "../lib/text";
import { useLoaded } from "../lib/use";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Meter } from "../ui/states";
import { isOpenJob, jobs } from "./jobs";
import { changesOf, stageText, stateText } from "./stages";
import { clearEnded, dropUpload, retryUpload, type UploadEntry, uploads } from "./uploads";

const MAX_SHOWN = 60;

export function UploadTray(): ReactNode {
  const t = useWords();
  const entries = useStore(uploads);
  const known = useStore(jobs);
  const [isFolded, setFolded] = useState(false);
  if (!entries.length) return null;
  const open = entries.filter((entry) => isBusy(entry, known));
  // what fails is seen first, then what is under way
  const shown = [...entries].sort((a, b) => rank(a, known) - rank(b, known)).slice(0, MAX_SHOWN);
  return (
    <section className="tray" aria-label={t("uploads")}>
      <header className="tray-head">
        <h2 aria-live="polite">{open.length ? count("adding", open.length) : count("added", entries.length)}</h2>
        <IconButton
          icon="chevron"
          className={isFolded ? "turned" : ""}
          label={isFolded ? t("unfold") : t("fold")}
          aria-expanded={!isFolded}
          onClick={() => setFolded(!isFolded)}
        />
        {open.length === 0 && <IconButton icon="close" label={t("dismiss")} onClick={clearEnded} />}
      </header>
      {!isFolded && (
        <ul>
          {shown.map((entry) => (
            <TrayRow key={entry.key} entry={entry} job={entry.jobId === null ? undefined : known.get(entry.jobId)} />
          ))}
          {entries.length > MAX_SHOWN && <li className="quiet small">{count("moreFiles", entries.length - MAX_SHOWN)}</li>}
        </ul>
      )}
    </section>
  );
}

function TrayRow({ entry, job }: { entry: UploadEntry; job: Job | undefined }): ReactNode {
  const t = useWords();
  const { name, state } = entry;
  const published = usePublished(entry, job);
  const isSent = state === "accepted" || state === "known";
  const failed = entry.error ?? job?.error?.message ?? null;
  const hasFailed = state === "failed" || job?.state === "failed";
  return (
    <li className={hasFailed ? "tray-row failed" : "tray-row"}>
      <Icon name={hasFailed ? "warn" : job?.state === "searchable" || state === "known" ? "check" : "file"} size={16} />
      <div className="tray-words">
        <span className="clipped" title={name}>
          {name}
        </span>
        {hasFailed ? (
          <span className="small bad-text">{sentenceCase(failed ?? t("stateFailed"))}</span>
        ) : (
          <span className="small quiet">{statusOf(entry, job)}</span>
        )}
        {state === "sending" && <Meter label={name} done={entry.done} total={entry.total || null} />}
        {state === "accepted" && (!job || isOpenJob(job.state)) && (
          <Meter label={name} done={job?.done ?? 0} total={job?.total ?? null} />
        )}
      </div>
      {state === "failed" && (
        <Button kind="quiet" className="small" onClick={() => retryUpload(entry.key)}>
          {t("retry")}
        </Button>
      )}
      {!isSent && (
        <IconButton
          icon="close"
          size={16}
          label={state === "failed" ? t("dismissOf", { name }) : t("cancelOf", { name })}
          onClick={() => dropUpload(entry.key)}
        />
      )}
    </li>
  );

  function statusOf({ state: now }: UploadEntry, work: Job | undefined): string {
    if (now === "waiting") return t("waiting");
    if (now === "sending") return t("uploading");
    if (now === "known") return t("known");
    if (work?.state === "searchable" && entry.before && published) return changesOf(entry.before, published);
    return work ? stageText(work, "queued") : stateText("queued");
  }
}

/** The version that took the place of another, once it has. */
function usePublished({ documentId, before }: UploadEntry, job: Job | undefined): Version | null {
  const isWanted = before !== null && documentId !== null && job?.state === "searchable";
  const loaded = useLoaded(isWanted ? documentId : null, (signal) =>
    call("get", "/v1/documents/{document_id}", { params: { document_id: documentId ?? "" }, signal }),
  );
  return loaded.state === "ready" ? loaded.value.version : null;
}

function isBusy(entry: UploadEntry, known: ReadonlyMap<string, Job>): boolean {
  if (entry.state === "waiting" || entry.state === "sending") return true;
  if (entry.state !== "accepted" || entry.jobId === null) return false;
  const job = known.get(entry.jobId);
  return !job || isOpenJob(job.state);
}

function rank(entry: UploadEntry, known: ReadonlyMap<string, Job>): number {
  if (entry.state === "failed" || (entry.jobId && known.get(entry.jobId)?.state === "failed")) return 0;
  if (entry.state === "sending") return 1;
  if (!isBusy(entry, known)) return 4;
  return entry.state === "accepted" ? 2 : 3;
}
