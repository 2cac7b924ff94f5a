// The application: the door, or the rooms behind it.

import { type ReactNode, useEffect } from "react";
import { language, useWords } from "./i18n/language";
import { useStore } from "./lib/store";
import { findSession, session } from "./shell/session";
import { Shell } from "./shell/shell";
import { SignInPage } from "./sign-in/page";
import { Failed, Loading } from "./ui/states";
import { Toasts } from "./ui/toasts";
import { useRoute } from "./lib/router";

export function App(): ReactNode {
  const t = useWords();
  const spoken = useStore(language);
  const state = useStore(session);
  const route = useRoute();
  useEffect(() => void findSession(), []);
  useEffect(() => {
    document.documentElement.lang = spoken;
  }, [spoken]);
  const isAtDoor = state === "out" || (route.name === "sign-in" && (route.token !== "" || route.problem !== ""));
  return (
    <>
      {isAtDoor ? (
        <SignInPage />
      ) : state === "in" ? (
        <Shell />
      ) : state === "lost" ? (
        <main className="door" id="main">
          <Failed message={t("network")} onRetry={() => void findSession()} />
        </main>
      ) : (
        <Loading />
      )}
      <Toasts />
    </>
  );
}
