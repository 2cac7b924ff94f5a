// Which room an address opens, and what the browser's tab is called then.

import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { ChatPage } from "../chat/page";
import { conversations } from "../chat/conversations";
import { CollectionsPage } from "../collections/page";
import { DocumentPage } from "../documents/document-page";
import { DocumentsPage } from "../documents/page";
import { useWords } from "../i18n/language";
import { Link, NEW_CHAT, type Route } from "../lib/router";
import { useStore } from "../lib/store";
import { Empty, Loading } from "../ui/states";

const CollectionPage = lazy(async () => ({ default: (await import("../collections/collection-page")).CollectionPage }));

export function Room({ route }: { route: Route }): ReactNode {
  useTitle(route);
  switch (route.name) {
    case "chat":
    case "sign-in":
      return <ChatPage conversation={route.name === "chat" ? route.conversation : null} answer={route.name === "chat" ? route.answer : null} />;
    case "documents":
      return <DocumentsPage collection={route.collection} />;
    case "document":
      return <DocumentPage id={route.id} version={route.version} />;
    case "collections":
      return <CollectionsPage />;
    case "collection":
      return (
        <Suspense fallback={<Loading />}>
          <CollectionPage key={route.collection} name={route.collection} />
        </Suspense>
      );
    case "missing":
      return <Missing />;
  }
}

function Missing(): ReactNode {
  const t = useWords();
  return (
    <div className="room">
      <h1 className="visually-hidden">{t("missing")}</h1>
      <Empty icon="search" title={t("missing")} text={t("missingLead")}>
        <Link className="button main" to={NEW_CHAT}>
          {t("newChat")}
        </Link>
      </Empty>
    </div>
  );
}

function useTitle(route: Route): void {
  const t = useWords();
  const { items } = useStore(conversations);
  const names: Record<Route["name"], string> = {
    chat: t("chat"),
    documents: t("documents"),
    document: t("documents"),
    collections: t("collections"),
    collection: route.name === "collection" ? route.collection : "",
    "sign-in": t("signIn"),
    missing: t("missing"),
  };
  const asked = route.name === "chat" ? items.find((each) => each.id === route.conversation)?.title : null;
  const title = `${asked ?? names[route.name]} · Cimiento`;
  useEffect(() => {
    document.title = title;
  }, [title]);
}
