// The door: with a link that signs one browser in, once; with a name and a password; or by way of the
// organisation's identity provider.

import { type ReactNode, type SyntheticEvent, useEffect, useState } from "react";
import { call } from "../api/client";
import { messageOf, Problem } from "../api/problem";
import { translate, useWords } from "../i18n/language";
import { NEW_CHAT, navigate, useRoute } from "../lib/router";
import { useLoaded } from "../lib/use";
import { LanguageChoice } from "../shell/choices";
import { signIn, signInWithPassword } from "../shell/session";
import { Button } from "../ui/button";
import { Failed } from "../ui/states";

type Way = "given-link" | "link" | "password";

export function SignInPage(): ReactNode {
  const t = useWords();
  const route = useRoute();
  const { token, problem } = route.name === "sign-in" ? route : { token: "", problem: "" };
  const [way, setWay] = useState<Way>(token ? "given-link" : "link");
  const [fault, setFault] = useState<string | null>(problem ? translate("signInRefused") : null);
  const [isBusy, setBusy] = useState(false);
  const [link, setLink] = useState(token);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  useEffect(() => {
    // a link that is still in the address would be shared with it
    if (token || problem) history.replaceState(null, "", "/sign-in");
  }, [token, problem]);

  const enter = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFault(null);
    try {
      await (way === "password" ? signInWithPassword(name, password) : signIn(link));
      if (route.name === "sign-in") navigate(NEW_CHAT, { replace: true });
    } catch (error) {
      setFault(faultOf(error));
      if (way === "given-link") setWay("link");
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="door" id="main">
      <div className="door-card">
        <img src="/static/logo.svg" alt="" width="52" height="52" />
        <h1>{t("signInTitle")}</h1>
        {way !== "password" && <p className="quiet">{way === "given-link" ? t("signInOnce") : t("signInLead")}</p>}
        {fault !== null && <Failed message={fault} />}
        <form onSubmit={enter}>
          {way === "link" && <Field label={t("signInLabel")} value={link} onChange={setLink} />}
          {way === "password" && (
            <>
              <Field label={t("userName")} value={name} onChange={setName} autoComplete="username" />
              <Field label={t("password")} value={password} onChange={setPassword} type="password" autoComplete="current-password" />
            </>
          )}
          <Button kind="main" type="submit" disabled={isBusy}>
            {t("signIn")}
          </Button>
        </form>
        <Provider />
        {way === "password" ? (
          <Button kind="quiet" onClick={() => setWay("link")}>
            {t("signInByLink")}
          </Button>
        ) : (
          <>
            <Button kind="quiet" onClick={() => setWay("password")}>
              {t("signInByPassword")}
            </Button>
            <p className="quiet small">{t("signInHint")}</p>
          </>
        )}
        <LanguageChoice />
      </div>
    </main>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "password";
  autoComplete?: string;
}

function Field({ label, value, onChange, type = "text", autoComplete = "off" }: FieldProps): ReactNode {
  return (
    <label className="field">
      {label}
      <input type={type} autoComplete={autoComplete} required value={value} onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}

function Provider(): ReactNode {
  const t = useWords();
  const ways = useLoaded("ways", (signal) => call("get", "/v1/sign-in", { signal }));
  // without an answer there is no provider to offer; the other ways are there
  if (ways.state !== "ready" || !ways.value.provider) return null;
  const { title, url } = ways.value.provider;
  return (
    <a className="button" href={url}>
      {t("signInWith", { title })}
    </a>
  );
}

function faultOf(error: unknown): string {
  return error instanceof Problem && error.code === "sign_in_link_invalid" ? translate("signInBad") : messageOf(error);
}
