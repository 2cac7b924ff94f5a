// Groups, for owners of the service: people who are given access together.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Group, Person } from "../api/types";
import { people as words } from "../i18n/people";
import { attempt } from "../lib/attempt";
import { useReloaded } from "../lib/use";
import { nameOf } from "../shell/session";
import { Button, IconButton } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Choice, Form, NameField } from "../ui/form";
import { Avatar, Panel, RoomHead } from "../ui/room";
import { Empty, Failed, Loading } from "../ui/states";
import { GROUP_NAME, PeopleTabs } from "./rooms";

export function GroupsPage(): ReactNode {
  const t = words.useWords();
  const [isMaking, setMaking] = useState(false);
  const [loaded, changed] = useReloaded("groups", async (signal) => {
    const [groups, all] = await Promise.all([call("get", "/v1/groups", { signal }), call("get", "/v1/people", { signal })]);
    return { groups: groups.items, all: all.items };
  });
  return (
    <div className="room">
      <RoomHead title={t("groups")} lead={t("groupsLead")}>
        <Button kind="main" icon="plus" onClick={() => setMaking(true)}>
          {t("groupNew")}
        </Button>
      </RoomHead>
      <PeopleTabs here="groups" />
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={changed} />}
      {loaded.state === "ready" && !loaded.value.groups.length && (
        <Empty icon="people" title={t("groupNone")} text={t("groupNoneLead")} />
      )}
      {loaded.state === "ready" &&
        loaded.value.groups.map((each) => <GroupPanel key={each.id} item={each} all={loaded.value.all} onChanged={changed} />)}
      <Dialog isOpen={isMaking} onClose={() => setMaking(false)} title={t("groupNew")}>
        <NewGroup
          onCancel={() => setMaking(false)}
          onMade={() => {
            setMaking(false);
            changed();
          }}
        />
      </Dialog>
    </div>
  );
}

function GroupPanel({ item, all, onChanged }: { item: Group; all: readonly Person[]; onChanged: () => void }): ReactNode {
  const t = words.useWords();
  const [isDeleting, setDeleting] = useState(false);
  const names = new Map(all.map((each) => [each.name, nameOf(each)]));
  const others = all.filter((each) => !item.members.includes(each.name));
  const change = (work: () => Promise<unknown>): void => void attempt(work).then(onChanged);
  const put = (person: string): void =>
    change(() => call("put", "/v1/groups/{group}/members/{person}", { params: { group: item.name, person } }));
  const take = (person: string): void =>
    change(() => call("delete", "/v1/groups/{group}/members/{person}", { params: { group: item.name, person } }));
  const remove = (): void => change(() => call("delete", "/v1/groups/{group}", { params: { group: item.name } }));
  return (
    <Panel
      title={item.name}
      lead={words.count("members", item.members.length)}
      tools={<IconButton icon="trash" label={t("removeGroup", { group: item.name })} onClick={() => setDeleting(true)} />}
    >
      <ul className="chips">
        {item.members.map((name) => (
          <li key={name} className="person-chip">
            <Avatar name={names.get(name) ?? name} />
            {names.get(name) ?? name}
            <IconButton icon="close" size={14} label={t("takeOut", { name, group: item.name })} onClick={() => take(name)} />
          </li>
        ))}
        {others.length > 0 && (
          <li>
            <Choice
              label={t("addMember", { group: item.name })}
              value=""
              choices={[["", `${t("add")}…`], ...others.map((each) => [each.name, nameOf(each)] as const)]}
              onChoose={(name) => name && put(name)}
            />
          </li>
        )}
      </ul>
      <Confirm
        isOpen={isDeleting}
        title={t("removeGroupTitle")}
        text={t("removeGroupText", { name: item.name })}
        action={t("removeGroup", { group: item.name })}
        onConfirm={remove}
        onClose={() => setDeleting(false)}
      />
    </Panel>
  );
}

function NewGroup({ onMade, onCancel }: { onMade: () => void; onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const [name, setName] = useState("");
  const make = async (): Promise<void> => {
    await call("post", "/v1/groups", { body: { name } });
    onMade();
  };
  return (
    <Form action={t("groupNew")} onSend={make} onCancel={onCancel}>
      <NameField label={t("groupName")} hint={t("groupNameHint")} pattern={GROUP_NAME} value={name} onValue={setName} />
    </Form>
  );
}
