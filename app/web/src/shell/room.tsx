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

// rooms that most visits never enter come when they are entered
const AccountPage = lazy(async () => ({ default: (await import("../account/page")).AccountPage }));
const AnswerPage = lazy(async () => ({ default: (await import("../chat/answer-page")).AnswerPage }));
const AuditPage = lazy(async () => ({ default: (await import("../people/audit")).AuditPage }));
const CollectionPage = lazy(async () => ({ default: (await import("../collections/collection-page")).CollectionPage }));
const ExamplesPage = lazy(async () => ({ default: (await import("../quality/examples")).ExamplesPage }));
const GroupsPage = lazy(async () => ({ default: (await import("../people/groups")).GroupsPage }));
const EvaluationPage = lazy(async () => ({ default: (await import("../quality/evaluation")).EvaluationPage }));
const EvaluationsPage = lazy(async () => ({ default: (await import("../quality/evaluations")).EvaluationsPage }));
const OperationsPage = lazy(async () => ({ default: (await import("../operations/page")).OperationsPage }));
const PromptPage = lazy(async () => ({ default: (await import("../quality/prompt")).PromptPage }));
const PromptsPage = lazy(async () => ({ default: (await import("../quality/prompts")).PromptsPage }));
const PeoplePage = lazy(async () => ({ default: (await import("../people/page")).PeoplePage }));

export function Room({ route }: { route: Route }): ReactNode {
  useTitle(route);
  return <Suspense fallback={<Loading />}>{roomOf(route)}</Suspense>;
}

function roomOf(route: Route): ReactNode {
  switch (route.name) {
    case "chat":
    case "sign-in":
      return <ChatPage conversation={route.name === "chat" ? route.conversation : null} answer={route.name === "chat" ? route.answer : null} />;
    case "answer":
      return <AnswerPage key={route.id} id={route.id} />;
    case "documents":
      return <DocumentsPage collection={route.collection} />;
    case "document":
      return <DocumentPage id={route.id} version={route.version} />;
    case "collections":
      return <CollectionsPage />;
    case "collection":
      return <CollectionPage key={route.collection} name={route.collection} />;
    case "evaluations":
      return <EvaluationsPage />;
    case "evaluation":
      return <EvaluationPage key={route.id} id={route.id} />;
    case "prompts":
      return <PromptsPage />;
    case "prompt":
      return <PromptPage reference={route.reference} />;
    case "examples":
      return <ExamplesPage />;
    case "operations":
      return <OperationsPage />;
    case "account":
      return <AccountPage />;
    case "people":
      return <PeoplePage />;
    case "groups":
      return <GroupsPage />;
    case "audit":
      return <AuditPage />;
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
    answer: t("sharedAnswer"),
    documents: t("documents"),
    document: t("documents"),
    collections: t("collections"),
    collection: route.name === "collection" ? route.collection : "",
    evaluations: t("quality"),
    evaluation: t("quality"),
    prompts: t("quality"),
    prompt: route.name === "prompt" ? route.reference : "",
    examples: t("quality"),
    operations: t("operations"),
    account: t("account"),
    people: t("people"),
    groups: t("people"),
    audit: t("people"),
    "sign-in": t("signIn"),
    missing: t("missing"),
  };
  const asked = route.name === "chat" ? items.find((each) => each.id === route.conversation)?.title : null;
  const title = `${asked ?? names[route.name]} · Cimiento`;
  useEffect(() => {
    document.title = title;
  }, [title]);
}
