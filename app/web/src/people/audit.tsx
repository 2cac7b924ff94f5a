// The audit log, for owners of the service: who did what, the newest first.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { AuditEvent } from "../api/types";
import { CollectionChoice } from "../collections/choice";
import { deeds, deedText } from "../i18n/deeds";
import { momentText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { people as words } from "../i18n/people";
import { attempt } from "../lib/attempt";
import { useLoaded } from "../lib/use";
import { Button } from "../ui/button";
import { Choice } from "../ui/form";
import { Avatar, RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { PeopleTabs } from "./rooms";

// the beginnings of what actions are called
const KINDS = {
  "": "deedAll",
  "document.": "deedDocuments",
  "collection.": "deedCollections",
  "answer.": "deedAnswers",
  search: "deedSearches",
  sign: "deedSignIns",
  "person.": "deedPeople",
  "group.": "deedGroups",
  "key.": "deedKeys",
  "prompt.": "deedPrompts",
  "evaluation.": "deedEvaluations",
} as const;
type Kind = keyof typeof KINDS;

export function AuditPage(): ReactNode {
  const t = words.useWords();
  const common = useWords();
  const [kind, setKind] = useState<Kind>("");
  const [collection, setCollection] = useState("");
  return (
    <div className="room">
      <RoomHead title={t("audit")} lead={t("auditLead")} />
      <PeopleTabs here="audit" />
      <div className="filters">
        <Choice
          label={t("kindOfDeed")}
          value={kind}
          choices={(Object.keys(KINDS) as Kind[]).map((each) => [each, t(KINDS[each])] as const)}
          onChoose={setKind}
        />
        <CollectionChoice
          label={common("everyCollection")}
          everywhere={common("everyCollection")}
          value={collection}
          onChoose={setCollection}
        />
      </div>
      <Events key={`${kind}/${collection}`} kind={kind} collection={collection} />
    </div>
  );
}

function Events({ kind, collection }: { kind: Kind; collection: string }): ReactNode {
  const t = words.useWords();
  const [older, setOlder] = useState<{ items: readonly AuditEvent[]; cursor: string | null } | null>(null);
  const fetchPage = (cursor: string | null, signal?: AbortSignal) =>
    call("get", "/v1/audit", {
      query: { action: kind || null, collection: collection || null, cursor },
      ...(signal ? { signal } : {}),
    });
  const loaded = useLoaded("audit", (signal) => fetchPage(null, signal));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  const events = [...loaded.value.items, ...(older?.items ?? [])];
  const cursor = older === null ? (loaded.value.next_cursor ?? null) : older.cursor;
  const more = async (): Promise<void> => {
    await attempt(async () => {
      const page = await fetchPage(cursor);
      setOlder({ items: [...(older?.items ?? []), ...page.items], cursor: page.next_cursor ?? null });
    });
  };
  if (!events.length) return <p className="quiet">{t("auditNone")}</p>;
  return (
    <>
      <ul className="lines">
        {events.map((each) => (
          <EventLine key={each.id} event={each} />
        ))}
      </ul>
      {cursor !== null && (
        <p className="more">
          <Button onClick={() => void more()}>{t("older")}</Button>
        </p>
      )}
    </>
  );
}

function EventLine({ event }: { event: AuditEvent }): ReactNode {
  const t = words.useWords();
  deeds.useWords();
  const who = event.actor_label || event.actor;
  const what = event.document ?? event.target;
  const details = Object.entries(event.details);
  return (
    <li>
      <Avatar name={who} />
      <span className="line-words">
        <span>
          <strong>{who}</strong> {deedText(event.action)}
          {what && <span className="deed-what"> {what}</span>}
        </span>
        {details.length > 0 && (
          <details className="small quiet">
            <summary>{[event.collection, t("details")].filter(Boolean).join(" · ")}</summary>
            <dl className="deed-details">
              {details.map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
        {details.length === 0 && event.collection && <span className="small quiet">{event.collection}</span>}
      </span>
      <time className="quiet small" dateTime={event.at}>
        {momentText(event.at)}
      </time>
    </li>
  );
}
