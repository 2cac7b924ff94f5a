// Before the first question: what this is, and where to begin.

import type { ReactNode } from "react";
import { collections } from "../collections/collections";
import { chooseFiles } from "../documents/choose";
import { count, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { Button } from "../ui/button";

export function Welcome(): ReactNode {
  const t = useWords();
  const listed = useStore(collections);
  const numDocuments = listed.items.reduce((sum, each) => sum + each.num_documents, 0);
  const isFirst = listed.state === "ready" && numDocuments === 0;
  return (
    <section className="welcome">
      <img src="/static/logo.svg" alt="" width="52" height="52" />
      <h2>{isFirst ? t("welcomeFirst") : t("welcomeTitle")}</h2>
      <p>{isFirst ? t("welcomeFirstLead") : t("welcomeLead")}</p>
      {isFirst ? (
        <Button kind="main" icon="upload" onClick={() => chooseFiles()}>
          {t("choose")}
        </Button>
      ) : (
        listed.state === "ready" && <p className="quiet small">{count("documentsHere", numDocuments)}</p>
      )}
    </section>
  );
}
