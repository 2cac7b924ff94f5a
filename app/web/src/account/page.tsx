// One's own account: name, password, signed-in browsers, and keys for programs.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import { momentText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { people as words } from "../i18n/people";
import { useStore } from "../lib/store";
import { attempt } from "../lib/attempt";
import { useLoaded } from "../lib/use";
import { leave, me, nameOf } from "../shell/session";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Field, Form } from "../ui/form";
import { Icon } from "../ui/icon";
import { Avatar, Mark, Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { notify } from "../ui/toasts";
import { roleText } from "../people/roles";
import { Keys } from "./keys";

export function AccountPage(): ReactNode {
  const t = words.useWords();
  const who = useStore(me);
  if (!who) return <Loading />;
  const name = nameOf(who);
  return (
    <div className="room narrow">
      <header className="room-head">
        <div className="account-head">
          <Avatar name={name} />
          <div>
            <h1>{name}</h1>
            <p className="quiet">
              {[who.display_name && who.name, who.email, who.is_owner && t("ownsService")].filter(Boolean).join(" · ") ||
                t("accountLead")}
            </p>
          </div>
        </div>
      </header>
      <Profile displayName={who.display_name} />
      {!who.is_owner && (
        <Panel title={t("roles")}>
          {who.collections?.length ? (
            <ul className="lines">
              {who.collections.map((each) => (
                <li key={each.name}>
                  <Icon name="layers" />
                  <span className="line-words">{each.name}</span>
                  <Mark text={roleText(each.role)} />
                </li>
              ))}
            </ul>
          ) : (
            <p className="quiet">{who.collections === null ? t("ownsAll") : t("opensNothing")}</p>
          )}
        </Panel>
      )}
      <Password hasOne={who.has_password} />
      <Browsers />
      <Keys who={who} />
    </div>
  );
}

function Profile({ displayName }: { displayName: string }): ReactNode {
  const t = words.useWords();
  const common = useWords();
  const [name, setName] = useState(displayName);
  const save = async (): Promise<void> => {
    me.set(await call("patch", "/v1/me", { body: { display_name: name } }));
    notify(t("saved"));
  };
  return (
    <Panel title={t("profile")}>
      <Form action={common("save")} onSend={save}>
        <Field label={t("displayName")} hint={t("displayNameHint")} autoComplete="name" maxLength={128} value={name} onValue={setName} />
      </Form>
    </Panel>
  );
}

function Password({ hasOne }: { hasOne: boolean }): ReactNode {
  const t = words.useWords();
  const who = useStore(me);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = async (): Promise<void> => {
    await call("post", "/v1/me/password", { body: { new: next, ...(hasOne ? { current } : {}) } });
    setCurrent("");
    setNext("");
    notify(t("passwordChanged"));
    me.update((known) => known && { ...known, has_password: true });
  };
  return (
    <Panel title={t("password")} lead={hasOne ? t("passwordLead") : t("passwordNone")}>
      <Form action={hasOne ? t("passwordChange") : t("passwordChoose")} onSend={change}>
        {/* a manager of passwords keeps it under this name */}
        <input type="text" hidden readOnly autoComplete="username" value={who?.name ?? ""} />
        {hasOne && (
          <Field
            label={t("passwordNow")}
            type="password"
            autoComplete="current-password"
            required
            value={current}
            onValue={setCurrent}
          />
        )}
        <Field
          label={t("passwordNew")}
          hint={t("passwordHint")}
          type="password"
          autoComplete="new-password"
          required
          value={next}
          onValue={setNext}
        />
      </Form>
    </Panel>
  );
}

function Browsers(): ReactNode {
  const t = words.useWords();
  const [isAsking, setAsking] = useState(false);
  const loaded = useLoaded("sessions", (signal) => call("get", "/v1/me/sessions", { signal }));
  const end = async (): Promise<void> => {
    if (await attempt(() => call("delete", "/v1/me/sessions"))) leave();
  };
  return (
    <Panel
      title={t("browsers")}
      lead={t("browsersLead")}
      tools={
        <Button icon="out" onClick={() => setAsking(true)}>
          {t("everywhere")}
        </Button>
      }
    >
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} />}
      {loaded.state === "ready" && (
        <ul className="lines">
          {loaded.value.items.map((each) => (
            <li key={each.created_at}>
              <Icon name="globe" />
              <span className="line-words">
                {browserName(each.browser) || t("browserUnknown")}
                <span className="quiet small">
                  {t("since", { date: momentText(each.created_at) })} · {t("until", { date: momentText(each.expires_at) })}
                </span>
              </span>
              {each.current && <Mark kind="good" text={t("browserHere")} />}
            </li>
          ))}
        </ul>
      )}
      <Confirm
        isOpen={isAsking}
        title={t("everywhere")}
        text={t("everywhereText")}
        action={t("everywhere")}
        onConfirm={() => void end()}
        onClose={() => setAsking(false)}
      />
    </Panel>
  );
}

const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = [
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Android", "Android"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
] as const;

/** "Firefox · Linux" out of what a browser says of itself; that itself where nothing of it is known. */
export function browserName(told: string): string {
  const found = [BROWSERS, SYSTEMS].map((names) => names.find(([mark]) => told.includes(mark))?.[1]);
  return found.filter(Boolean).join(" · ") || told;
}
