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
import { Field } from "../ui/form";
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
      await (way === "password" ? signInWithPassword(name, password) : signIn(link, way === "given-link" ? password : ""));
      if (route.name === "sign-in") navigate(NEW_CHAT, { replace: true });
    } catch (error) {
      setFault(faultOf(error));
      if (way === "given-link" && isLinkWorthless(error)) setWay("link");
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
          {way === "link" && <Field label={t("signInLabel")} required value={link} onValue={setLink} />}
          {way === "given-link" && (
            <Field
              label={t("choosePassword")}
              hint={t("choosePasswordHint")}
              type="password"
              autoComplete="new-password"
              value={password}
              onValue={setPassword}
            />
          )}
          {way === "password" && (
            <>
              <Field label={t("userName")} required autoComplete="username" autoCapitalize="none" value={name} onValue={setName} />
              <Field
                label={t("password")}
                type="password"
                autoComplete="current-password"
                required
                value={password}
                onValue={setPassword}
              />
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
  return isLinkWorthless(error) ? translate("signInBad") : messageOf(error);
}

/** Else the link still works: with another password, say. */
function isLinkWorthless(error: unknown): boolean {
  return error instanceof Problem && error.code === "sign_in_link_invalid";
}
