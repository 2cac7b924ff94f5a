// Keys for programs: what each may do, a new one that is shown once, and the end of one.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Key, KeyMade, Me, Scope } from "../api/types";
import { CollectionChoice } from "../collections/choice";
import { dateText, numberText } from "../i18n/format";
import { people as words } from "../i18n/people";
import { attempt } from "../lib/attempt";
import { useReloaded } from "../lib/use";
import { Button, IconButton } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Choice, Field, Form, Tick } from "../ui/form";
import { Icon } from "../ui/icon";
import { Panel } from "../ui/room";
import { Secret } from "../ui/secret";
import { Failed, Loading } from "../ui/states";

const SCOPES = {
  read: "scopeRead",
  ask: "scopeAsk",
  write: "scopeWrite",
  manage: "scopeManage",
  people: "scopePeople",
  metrics: "scopeMetrics",
} as const satisfies Record<Scope, string>;
// what they give is everybody's
const OF_OWNERS: readonly Scope[] = ["people", "metrics"];
const LIFETIMES = ["30", "90", "365", "0"] as const;
// what most programs are for: to search and to ask
const USUAL: readonly Scope[] = ["read", "ask"];

type Shown = { kind: "nothing" } | { kind: "new" } | { kind: "made"; key: KeyMade } | { kind: "revoking"; key: Key };

export function Keys({ who }: { who: Me }): ReactNode {
  const t = words.useWords();
  const [shown, setShown] = useState<Shown>({ kind: "nothing" });
  const [loaded, changed] = useReloaded("keys", (signal) => call("get", "/v1/keys", { signal }));
  const close = (): void => setShown({ kind: "nothing" });
  const revoke = async (key: Key): Promise<void> => {
    if (await attempt(() => call("delete", "/v1/keys/{key_id}", { params: { key_id: key.id } }))) changed();
  };
  return (
    <Panel
      title={t("keys")}
      lead={who.is_owner ? t("keysOfAll") : t("keysLead")}
      tools={
        <Button icon="plus" onClick={() => setShown({ kind: "new" })}>
          {t("keyNew")}
        </Button>
      }
    >
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={changed} />}
      {loaded.state === "ready" && !loaded.value.items.length && <p className="quiet">{t("keysNone")}</p>}
      {loaded.state === "ready" && (
        <ul className="lines">
          {loaded.value.items.map((key) => (
            <KeyLine key={key.id} item={key} isOwn={key.person === who.name} onRevoke={() => setShown({ kind: "revoking", key })} />
          ))}
        </ul>
      )}
      <Dialog isOpen={shown.kind === "new"} onClose={close} title={t("keyNew")}>
        <NewKey
          who={who}
          onCancel={close}
          onMade={(key) => {
            setShown({ kind: "made", key });
            changed();
          }}
        />
      </Dialog>
      <Dialog isOpen={shown.kind === "made"} onClose={close} title={t("keyReady")}>
        {shown.kind === "made" && (
          <Secret label={shown.key.name} text={shown.key.key} lead={t("keyOnce")} note={t("keyHow")}>
            <Button kind="main" onClick={close}>
              {t("done")}
            </Button>
          </Secret>
        )}
      </Dialog>
      <Confirm
        isOpen={shown.kind === "revoking"}
        title={t("revokeTitle")}
        text={shown.kind === "revoking" ? t("revokeText", { name: shown.key.name }) : ""}
        action={t("revoke")}
        onConfirm={() => void (shown.kind === "revoking" && revoke(shown.key))}
        onClose={close}
      />
    </Panel>
  );
}

function KeyLine({ item, isOwn, onRevoke }: { item: Key; isOwn: boolean; onRevoke: () => void }): ReactNode {
  const t = words.useWords();
  const hasEnded = item.expires_at !== null && new Date(item.expires_at) < new Date();
  const facts = [
    item.person === null ? t("keyOfService") : !isOwn && t("keyOf", { person: item.person }),
    item.scopes.join(", "),
    item.collections?.join(", "),
    item.last_used_at === null ? t("keyUnused") : t("keyUsed", { date: dateText(item.last_used_at) }),
    item.expires_at !== null && (hasEnded ? t("keyEnded") : t("keyEnds", { date: dateText(item.expires_at) })),
    item.tokens_today > 0 && t("keyTokens", { n: numberText(item.tokens_today) }),
  ];
  return (
    <li>
      <Icon name="key" />
      <span className="line-words">
        {item.name}
        <span className="quiet small">{facts.filter(Boolean).join(" · ")}</span>
      </span>
      <IconButton icon="trash" label={t("revokeOf", { name: item.name })} onClick={onRevoke} />
    </li>
  );
}

function NewKey({ who, onMade, onCancel }: { who: Me; onMade: (key: KeyMade) => void; onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set(USUAL));
  const [where, setWhere] = useState("");
  const [days, setDays] = useState<(typeof LIFETIMES)[number]>("365");
  const [isOfService, setOfService] = useState(false);
  const offered = (Object.keys(SCOPES) as (keyof typeof SCOPES)[]).filter((each) => who.is_owner || !OF_OWNERS.includes(each));
  const make = async (): Promise<void> => {
    onMade(
      await call("post", "/v1/keys", {
        body: {
          name,
          scopes: [...scopes],
          collections: where ? [where] : null,
          expires_in_days: Number(days) || null,
          for_service: isOfService,
        },
      }),
    );
  };
  return (
    <Form action={t("keyMake")} onSend={make} onCancel={onCancel}>
      <Field label={t("keyName")} hint={t("keyNameHint")} required maxLength={128} value={name} onValue={setName} />
      <fieldset className="ticks">
        <legend>{t("keyScopes")}</legend>
        {offered.map((each) => (
          <Tick
            key={each}
            label={t(SCOPES[each])}
            isOn={scopes.has(each)}
            onTurn={(isOn) => setScopes(new Set([...scopes].filter((one) => one !== each).concat(isOn ? [each] : [])))}
          />
        ))}
      </fieldset>
      <CollectionChoice isNamed label={t("keyCollections")} everywhere={t("keyEverywhere")} value={where} onChoose={setWhere} />
      <Choice
        isNamed
        label={t("keyExpires")}
        value={days}
        choices={LIFETIMES.map((each) => [each, each === "0" ? t("never") : words.count("days", Number(each))] as const)}
        onChoose={setDays}
      />
      {who.is_owner && <Tick label={t("keyForService")} hint={t("keyForServiceHint")} isOn={isOfService} onTurn={setOfService} />}
    </Form>
  );
}
