// How the service runs, for its owners: jobs, workers, throughput, storage, models.

import type { ReactNode } from "react";
import { call } from "../api/client";
import type { Job, Operations } from "../api/types";
import { cancelJob, isOpenJob, retryJob } from "../documents/jobs";
import { stageText, stateText } from "../documents/stages";
import { momentText, numberText, sizeText } from "../i18n/format";
import { count, useWords } from "../i18n/language";
import { operations as words } from "../i18n/operations";
import { attempt } from "../lib/attempt";
import { Link } from "../lib/router";
import { sentenceCase } from "../lib/text";
import { useWatched } from "../lib/use";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { Mark, Panel, RoomHead } from "../ui/room";
import { Failed, Loading, Meter } from "../ui/states";

const EVERY_MS = 3000;
const STATES = ["running", "queued", "failed"] as const;
const MARKS = { queued: "plain", running: "warn", searchable: "good", failed: "bad", cancelled: "plain" } as const;

export function OperationsPage(): ReactNode {
  const t = words.useWords();
  const [loaded, reload] = useWatched("operations", fetchAll, { everyMs: EVERY_MS, isLive: () => true });
  return (
    <div className="room">
      <RoomHead title={t("title")} lead={t("lead")} />
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={reload} />}
      {loaded.state === "ready" && (
        <>
          <Tiles seen={loaded.value.seen} />
          <Jobs jobs={loaded.value.jobs} onChanged={reload} />
          <Workers seen={loaded.value.seen} />
          <div className="panels">
            <Storage seen={loaded.value.seen} />
            <Models seen={loaded.value.seen} />
          </div>
        </>
      )}
    </div>
  );
}

async function fetchAll(signal: AbortSignal): Promise<{ seen: Operations; jobs: readonly Job[] }> {
  const [seen, ...pages] = await Promise.all([
    call("get", "/v1/operations", { signal }),
    ...STATES.map((state) => call("get", "/v1/jobs", { query: { state }, signal })),
  ]);
  return { seen, jobs: pages.flatMap(({ items }) => items) };
}

function Tiles({ seen }: { seen: Operations }): ReactNode {
  const t = words.useWords();
  const { jobs, last_day: done } = seen;
  const oldest = seen.queued_since && t("oldest", { date: momentText(seen.queued_since) });
  const tiles: readonly (readonly [name: string, n: number, note?: string | null])[] = [
    [t("waiting"), jobs.queued ?? 0, oldest],
    [t("running"), jobs.running ?? 0],
    [t("failed"), jobs.failed ?? 0],
    [t("answering"), seen.answering],
    [
      t("lastDay"),
      done.documents,
      [words.count("documents", done.documents), count("chunks", done.chunks), sizeText(done.bytes)].join(" · "),
    ],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([name, n, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{numberText(n)}</strong>
            {note && <span className="quiet small">{note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Jobs({ jobs, onChanged }: { jobs: readonly Job[]; onChanged: () => void }): ReactNode {
  const t = words.useWords();
  const again = jobs.filter((job) => job.state === "failed" && job.error?.retryable);
  const retryAll = (): void =>
    void attempt(async () => {
      for (const job of again) await retryJob(job.id);
    }).then(onChanged);
  return (
    <Panel
      title={t("work")}
      lead={t("workLead")}
      tools={
        again.length > 1 && (
          <Button icon="retry" onClick={retryAll}>
            {t("retryAll")}
          </Button>
        )
      }
    >
      {jobs.length === 0 && <p className="quiet">{t("workNone")}</p>}
      <ul className="lines">
        {jobs.map((job) => (
          <JobLine key={job.id} job={job} onChanged={onChanged} />
        ))}
      </ul>
    </Panel>
  );
}

function JobLine({ job, onChanged }: { job: Job; onChanged: () => void }): ReactNode {
  const t = words.useWords();
  const common = useWords();
  const isOpen = isOpenJob(job.state);
  const name = job.document_name;
  return (
    <li>
      <Icon name={job.state === "failed" ? "warn" : "file"} />
      <span className="line-words">
        <Link className="line-link" to={{ name: "document", id: job.document_id, version: job.version }}>
          {name}
        </Link>
        {job.error ? (
          <span className="small bad-text">{sentenceCase(job.error.message)}</span>
        ) : (
          <span className="small quiet">
            {[stageText(job, job.state), job.attempt > 1 && t("attempt", { n: job.attempt })].filter(Boolean).join(" · ")}
          </span>
        )}
        {job.state === "running" && <Meter label={name} done={job.done} total={job.total} />}
      </span>
      <Mark kind={MARKS[job.state]} text={stateText(job.state)} />
      {isOpen ? (
        <IconButton
          icon="close"
          label={common("cancelOf", { name })}
          onClick={() => void attempt(() => cancelJob(job.id)).then(onChanged)}
        />
      ) : (
        <IconButton
          icon="retry"
          label={common("retryOf", { name })}
          onClick={() => void attempt(() => retryJob(job.id)).then(onChanged)}
        />
      )}
    </li>
  );
}

function Workers({ seen }: { seen: Operations }): ReactNode {
  const t = words.useWords();
  return (
    <Panel title={t("workers")} lead={t("workersLead")}>
      {seen.workers.length === 0 && <p className="quiet">{t("workersNone")}</p>}
      <ul className="lines">
        {seen.workers.map((each) => (
          <li key={each.id}>
            <Icon name="gauge" />
            <span className="line-words">
              {t("process", { pid: each.pid, machine: each.machine.slice(0, 8) })}
              <span className="quiet small">{t("lives", { date: momentText(each.beat_at) })}</span>
            </span>
            <Mark kind={each.num_jobs ? "good" : "plain"} text={each.num_jobs ? words.count("jobs", each.num_jobs) : t("idle")} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Storage({ seen }: { seen: Operations }): ReactNode {
  const t = words.useWords();
  const { documents, index, database, free } = seen.storage;
  const kinds = [
    ["documents", t("stored"), documents],
    ["index", t("index"), index],
    ["database", t("database"), database],
  ] as const;
  return (
    <Panel title={t("storage")}>
      <div className="parts" aria-hidden="true">
        {kinds.map(([kind, , bytes]) => (
          <span key={kind} className={`part ${kind}`} style={{ flexGrow: bytes }} />
        ))}
      </div>
      <ul className="part-names">
        {kinds.map(([kind, name, bytes]) => (
          <li key={kind}>
            <span className={`part ${kind}`} />
            {name} <span className="quiet">{sizeText(bytes)}</span>
          </li>
        ))}
        <li>
          {t("free")} <span className="quiet">{sizeText(free)}</span>
        </li>
      </ul>
    </Panel>
  );
}

function Models({ seen }: { seen: Operations }): ReactNode {
  const t = words.useWords();
  const { answers, runs_on: device, embeddings } = seen.models;
  return (
    <Panel title={t("models")}>
      <dl className="pairs">
        <dt>{t("answersWith")}</dt>
        <dd>
          {answers} <span className="quiet">{t("runsOn", { device })}</span>
        </dd>
        <dt>{t("embedsWith")}</dt>
        <dd>{embeddings}</dd>
      </dl>
    </Panel>
  );
}
