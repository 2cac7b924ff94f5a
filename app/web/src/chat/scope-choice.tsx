// Shows and changes what is asked about.

import type { ReactNode } from "react";
import type { Collection } from "../api/types";
import { count, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { EVERYTHING, scope, type ScopedDocument } from "./scope";

export function ScopeChoice({ collections }: { collections: readonly Collection[] }): ReactNode {
  const t = useWords();
  const chosen = useStore(scope);
  if (chosen.kind === "documents" || chosen.kind === "passages") {
    const name = chosen.kind === "passages" ? count("chunks", chosen.ids.length) : nameOf(chosen.documents);
    return (
      <span className="scope only">
        <Icon name="file" size={15} />
        <span className="clipped">{t("onlyIn", { name })}</span>
        <IconButton icon="close" size={14} label={t("askEverything")} onClick={() => scope.set(EVERYTHING)} />
      </span>
    );
  }
  if (collections.length < 2) return null;
  const choose = (name: string): void => scope.set(name ? { kind: "collection", name } : EVERYTHING);
  return (
    <label className="scope">
      <Icon name="layers" size={15} />
      <span className="visually-hidden">{t("scope")}</span>
      <select value={chosen.kind === "collection" ? chosen.name : ""} onChange={(event) => choose(event.target.value)}>
        <option value="">{t("everything")}</option>
        {collections.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function nameOf(documents: readonly ScopedDocument[]): string {
  const [first] = documents;
  return (documents.length === 1 ? first?.name : null) ?? count("documentsHere", documents.length);
}
