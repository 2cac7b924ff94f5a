// Who can see a collection, for its owners: share it with a person or a group, change a role, stop sharing.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Grant } from "../api/types";
import { people as words } from "../i18n/people";
import { attempt } from "../lib/attempt";
import { useLoaded, useReloaded } from "../lib/use";
import { type Role, ROLES, useOwnsService } from "../shell/session";
import { Button, IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Choice, Field, Form } from "../ui/form";
import { Avatar, Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { roleMeaning, roleText } from "./roles";

type Holder = Pick<Grant, "kind" | "name">;

export function Members({ collection }: { collection: string }): ReactNode {
  const t = words.useWords();
  const [isSharing, setSharing] = useState(false);
  const params = { name: collection };
  const [loaded, changed] = useReloaded(collection, (signal) => call("get", "/v1/collections/{name}/access", { params, signal }));
  return (
    <Panel
      title={t("access")}
      lead={t("accessOwners")}
      tools={
        <Button icon="share" onClick={() => setSharing(true)}>
          {t("share")}
        </Button>
      }
    >
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={changed} />}
      {loaded.state === "ready" && !loaded.value.items.length && <p className="quiet">{t("accessNone")}</p>}
      {loaded.state === "ready" && (
        <ul className="lines">
          {loaded.value.items.map((each) => (
            <li key={`${each.kind}/${each.name}`}>
              {each.kind === "group" ? <Avatar name={each.name} icon="people" /> : <Avatar name={each.name} />}
              <span className="line-words">
                {each.name}
                {each.kind === "group" && <span className="quiet small">{t("group")}</span>}
              </span>
              <Choice
                label={t("roleOf", { name: each.name })}
                value={each.role}
                choices={ROLES.map((role) => [role, roleText(role)] as const)}
                onChoose={(role) => void attempt(() => give(collection, each, role)).then(changed)}
              />
              <IconButton
                icon="close"
                label={t("unshare", { name: each.name })}
                onClick={() => void attempt(() => take(collection, each)).then(changed)}
              />
            </li>
          ))}
        </ul>
      )}
      <Dialog isOpen={isSharing} onClose={() => setSharing(false)} title={t("share")}>
        <Share
          collection={collection}
          onCancel={() => setSharing(false)}
          onShared={() => {
            setSharing(false);
            changed();
          }}
        />
      </Dialog>
    </Panel>
  );
}

function Share(props: { collection: string; onShared: () => void; onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const [kind, setKind] = useState<Holder["kind"]>("person");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("reader");
  const names = useNames(kind);
  const share = async (): Promise<void> => {
    await give(props.collection, { kind, name }, role);
    props.onShared();
  };
  return (
    <Form action={t("share")} onSend={share} onCancel={props.onCancel}>
      <Choice
        isNamed
        label={t("kind")}
        value={kind}
        choices={[
          ["person", t("person")],
          ["group", t("group")],
        ]}
        onChoose={setKind}
      />
      <Field label={t("shareWith")} hint={t("shareHint")} required autoCapitalize="none" list="holders" value={name} onValue={setName} />
      <datalist id="holders">
        {names.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <Choice
        isNamed
        label={t("role")}
        value={role}
        choices={ROLES.map((each) => [each, roleMeaning(each)] as const)}
        onChoose={setRole}
      />
    </Form>
  );
}

/** Whom one can share with, as far as one may know: only owners of the service see who there is. */
function useNames(kind: Holder["kind"]): string[] {
  const isOwner = useOwnsService();
  const loaded = useLoaded(isOwner ? kind : null, async (signal) => {
    const found = kind === "person" ? await call("get", "/v1/people", { signal }) : await call("get", "/v1/groups", { signal });
    return found.items.map((each) => each.name);
  });
  return loaded.state === "ready" ? loaded.value : [];
}

function give(collection: string, { kind, name }: Holder, role: Role): Promise<unknown> {
  const body = { role };
  return kind === "person"
    ? call("put", "/v1/collections/{name}/access/people/{person}", { params: { name: collection, person: name }, body })
    : call("put", "/v1/collections/{name}/access/groups/{group}", { params: { name: collection, group: name }, body });
}

function take(collection: string, { kind, name }: Holder): Promise<unknown> {
  return kind === "person"
    ? call("delete", "/v1/collections/{name}/access/people/{person}", { params: { name: collection, person: name } })
    : call("delete", "/v1/collections/{name}/access/groups/{group}", { params: { name: collection, group: name } });
}
