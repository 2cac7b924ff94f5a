// Everybody who may sign in, for owners of the service: invite, change, switch off, delete.

import { type ReactNode, useState } from "react";
import { changeAsSeen } from "../api/changing";
import { call, callTagged } from "../api/client";
import type { Invitation, Person } from "../api/types";
import { momentText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { people as words } from "../i18n/people";
import { useStore } from "../lib/store";
import { holding } from "../lib/text";
import { attempt } from "../lib/attempt";
import { useReloaded } from "../lib/use";
import { me, nameOf } from "../shell/session";
import { Button, IconButton } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Field, Form, NameField, Search, Tick } from "../ui/form";
import { Menu, MenuItem, MenuLine } from "../ui/menu";
import { Avatar, Mark, RoomHead } from "../ui/room";
import { Secret } from "../ui/secret";
import { Failed, Loading } from "../ui/states";
import { notify } from "../ui/toasts";
import { PeopleTabs, PERSON_NAME } from "./rooms";

const SEARCH_FROM = 8;

type Shown =
  | { kind: "nothing" }
  | { kind: "inviting" }
  | { kind: "invited"; invitation: Invitation }
  | { kind: "changing" | "deleting"; person: Person };

export function PeoplePage(): ReactNode {
  const t = words.useWords();
  const [shown, setShown] = useState<Shown>({ kind: "nothing" });
  const [wanted, setWanted] = useState("");
  const [loaded, changed] = useReloaded("people", (signal) => call("get", "/v1/people", { signal }));
  const close = (): void => setShown({ kind: "nothing" });
  const onInvited = (invitation: Invitation): void => {
    setShown({ kind: "invited", invitation });
    changed();
  };
  const items = loaded.state === "ready" ? loaded.value.items : [];
  const isWanted = holding(wanted);
  const found = items.filter((each) => isWanted(`${each.name} ${each.display_name} ${each.email ?? ""}`));
  return (
    <div className="room">
      <RoomHead title={t("people")} lead={t("peopleLead")}>
        <Button kind="main" icon="plus" onClick={() => setShown({ kind: "inviting" })}>
          {t("invite")}
        </Button>
      </RoomHead>
      <PeopleTabs here="people" />
      {items.length >= SEARCH_FROM && <Search label={t("findPerson")} value={wanted} onValue={setWanted} />}
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={changed} />}
      {wanted && !found.length && <p className="quiet">{t("noPerson")}</p>}
      <ul className="lines">
        {found.map((each) => (
          <PersonLine
            key={each.id}
            item={each}
            onChanged={changed}
            onInvited={onInvited}
            onShow={(kind) => setShown({ kind, person: each })}
          />
        ))}
      </ul>
      <Dialog isOpen={shown.kind === "inviting"} onClose={close} title={t("invite")}>
        <Invite onCancel={close} onInvited={onInvited} />
      </Dialog>
      <Dialog
        isOpen={shown.kind === "invited"}
        onClose={close}
        title={shown.kind === "invited" ? t("linkReady", { name: nameOf(shown.invitation.person) }) : ""}
      >
        {shown.kind === "invited" && (
          <Secret
            label={t("link")}
            text={shown.invitation.link}
            lead={t("linkOnce")}
            note={t("linkUntil", { date: momentText(shown.invitation.expires_at) })}
          >
            <Button kind="main" onClick={close}>
              {t("done")}
            </Button>
          </Secret>
        )}
      </Dialog>
      <Dialog
        isOpen={shown.kind === "changing"}
        onClose={close}
        title={shown.kind === "changing" ? t("editOf", { name: shown.person.name }) : ""}
      >
        {shown.kind === "changing" && (
          <Change
            item={shown.person}
            onCancel={close}
            onChanged={() => {
              close();
              changed();
            }}
          />
        )}
      </Dialog>
      <Confirm
        isOpen={shown.kind === "deleting"}
        title={shown.kind === "deleting" ? t("removeTitle", { name: shown.person.name }) : ""}
        text={t("removeText")}
        action={t("removePerson")}
        onConfirm={() =>
          void (
            shown.kind === "deleting" &&
            attempt(() => call("delete", "/v1/people/{person}", { params: { person: shown.person.name } })).then(changed)
          )
        }
        onClose={close}
      />
    </div>
  );
}

interface LineProps {
  item: Person;
  onChanged: () => void;
  onInvited: (invitation: Invitation) => void;
  onShow: (kind: "changing" | "deleting") => void;
}

function PersonLine({ item, onChanged, onInvited, onShow }: LineProps): ReactNode {
  const t = words.useWords();
  const who = useStore(me);
  const name = nameOf(item);
  const params = { person: item.name };
  const isMe = who?.name === item.name;
  const change = async (body: { is_owner?: boolean; is_disabled?: boolean }, told = ""): Promise<void> => {
    if (await attempt(() => call("patch", "/v1/people/{person}", { params, body }))) {
      if (told) notify(told);
      onChanged();
    }
  };
  const link = async (): Promise<void> => {
    await attempt(async () => onInvited(await call("post", "/v1/people/{person}/link", { params })));
  };
  const signOut = async (): Promise<void> => {
    if (await attempt(() => call("delete", "/v1/people/{person}/sessions", { params }))) notify(t("signedOut", { name }));
  };
  return (
    <li className={item.is_disabled ? "off" : undefined}>
      <Avatar name={name} />
      <span className="line-words">
        {name}
        <span className="quiet small">
          {[item.display_name && item.name, item.email, item.groups.join(", ")].filter(Boolean).join(" · ")}
        </span>
      </span>
      <span className="marks">
        {isMe && <Mark text={t("you")} />}
        {item.is_owner && <Mark kind="good" text={t("owner")} />}
        {item.is_disabled ? <Mark kind="bad" text={t("disabled")} /> : !item.has_password && <Mark kind="warn" text={t("invited")} />}
      </span>
      <Menu trigger={<IconButton icon="more" label={t("moreOf", { name })} />}>
        <MenuItem icon="edit" onSelect={() => onShow("changing")}>
          {t("edit")}
        </MenuItem>
        <MenuItem icon="link" onSelect={() => void link()}>
          {t("makeLink")}
        </MenuItem>
        <MenuItem icon="out" onSelect={() => void signOut()}>
          {t("signOut")}
        </MenuItem>
        {!isMe && (
          <>
            <MenuItem icon="key" onSelect={() => void change({ is_owner: !item.is_owner })}>
              {item.is_owner ? t("unmakeOwner") : t("makeOwner")}
            </MenuItem>
            <MenuLine />
            <MenuItem
              icon="stop"
              onSelect={() =>
                void change({ is_disabled: !item.is_disabled }, t(item.is_disabled ? "enabledNow" : "disabledNow", { name }))
              }
            >
              {item.is_disabled ? t("enable") : t("disable")}
            </MenuItem>
            <MenuItem icon="trash" isDangerous onSelect={() => onShow("deleting")}>
              {t("removePerson")}
            </MenuItem>
          </>
        )}
      </Menu>
    </li>
  );
}

function Invite({ onInvited, onCancel }: { onInvited: (invitation: Invitation) => void; onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const [name, setName] = useState("");
  const [displayName, setDisplayName] = useState("");
  const [email, setEmail] = useState("");
  const [isOwner, setOwner] = useState(false);
  const invite = async (): Promise<void> => {
    const body = { name, display_name: displayName, email: email || null, is_owner: isOwner };
    onInvited(await call("post", "/v1/people", { body }));
  };
  return (
    <Form action={t("inviteSend")} onSend={invite} onCancel={onCancel}>
      <NameField label={t("inviteName")} hint={t("inviteNameHint")} pattern={PERSON_NAME} value={name} onValue={setName} />
      <Field label={t("displayName")} maxLength={128} value={displayName} onValue={setDisplayName} />
      <Field label={t("inviteEmail")} hint={t("inviteEmailHint")} type="email" value={email} onValue={setEmail} />
      <Tick label={t("inviteOwner")} hint={t("inviteOwnerHint")} isOn={isOwner} onTurn={setOwner} />
    </Form>
  );
}

function Change({ item, onChanged, onCancel }: { item: Person; onChanged: () => void; onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const common = useWords();
  const [displayName, setDisplayName] = useState(item.display_name);
  const [email, setEmail] = useState(item.email ?? "");
  const change = async (): Promise<void> => {
    const params = { person: item.name };
    const body = { display_name: displayName, ...(email ? { email } : {}) };
    await changeAsSeen(
      () => callTagged("get", "/v1/people/{person}", { params }),
      (now) => now.display_name === item.display_name && now.email === item.email,
      (ifMatch) => call("patch", "/v1/people/{person}", { params, body, ifMatch }),
    );
    onChanged();
  };
  return (
    <Form action={common("save")} onSend={change} onCancel={onCancel}>
      <Field label={t("displayName")} maxLength={128} value={displayName} onValue={setDisplayName} />
      <Field
        label={t("inviteEmail")}
        hint={t("inviteEmailHint")}
        type="email"
        required={item.email !== null}
        value={email}
        onValue={setEmail}
      />
    </Form>
  );
}
