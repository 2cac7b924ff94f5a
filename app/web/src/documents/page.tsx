// The documents: add them, find them, see how far they are, delete them.

import { type ReactNode, useCallback, useEffect, useState } from "react";
import type { JobState } from "../api/types";
import { collections, loadCollections } from "../collections/collections";
import { count, useWords } from "../i18n/language";
import { navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { useRested } from "../lib/use";
import { useMay } from "../shell/session";
import { Button } from "../ui/button";
import { Choice, Search } from "../ui/form";
import { RoomHead } from "../ui/room";
import { Empty, Failed, Loading } from "../ui/states";
import { chooseFiles, chooseFolder } from "./choose";
import { LabelDialog } from "./label-dialog";
import { labelsOf } from "./labels";
import { documents, leaving, lookFor } from "./list";
import { LIST_ID } from "./row";
import { DocumentRows } from "./rows";
import { JOB_STATES, stateText } from "./stages";

const TYPING_MS = 200;

export function DocumentsPage({ collection }: { collection: string | null }): ReactNode {
  const t = useWords();
  const [text, setText] = useState("");
  const [state, setState] = useState<JobState | null>(null);
  const [label, setLabel] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null);
  const q = useRested(text.trim(), TYPING_MS);
  const listed = useStore(documents);
  const gone = useStore(leaving);
  const { items: all } = useStore(collections);
  const mayAdd = useMay("editor", collection ?? undefined);

  useEffect(() => void loadCollections(), []);
  useEffect(() => void lookFor({ collection, q: q || null, state, label }), [collection, q, state, label]);
  const turn = useCallback((id: string) => setChosen((ids) => turned(ids ?? new Set(), id)), []);

  const items = listed.items.filter((item) => !gone.has(item.id));
  const isFiltered = q !== "" || state !== null || label !== null;
  const labels = labelsOf(items, label);
  const picked = items.filter((item) => chosen?.has(item.id)).map((item) => item.id);
  const isWhole = listed.state === "ready" && !listed.cursor;
  return (
    <div className="room documents-room">
      <RoomHead title={t("documents")} lead={[isWhole && count("documentsHere", items.length), t("kinds")].filter(Boolean).join(" · ")}>
        {mayAdd && (
          <>
            <Button icon="folder" onClick={chooseFolder}>
              {t("chooseFolder")}
            </Button>
            <Button kind="main" icon="upload" onClick={chooseFiles}>
              {t("choose")}
            </Button>
          </>
        )}
      </RoomHead>
      <div className="filters">
        <Search label={t("findDocument")} value={text} onValue={setText} />
        {all.length > 1 && (
          <Choice
            label={t("collection")}
            value={collection ?? ""}
            choices={[["", t("everyCollection")], ...all.map(({ name }) => [name, name] as const)]}
            onChoose={(name) => navigate({ name: "documents", collection: name || null })}
          />
        )}
        <Choice
          label={t("state")}
          value={state ?? ""}
          choices={[["", t("everyState")], ...JOB_STATES.map((each) => [each, stateText(each)] as const)]}
          onChoose={(name) => setState(name || null)}
        />
        {labels.length > 0 && (
          <Choice
            label={t("label")}
            value={label ?? ""}
            choices={[["", t("everyLabel")], ...labels.map((each) => [each, each] as const)]}
            onChoose={(key) => setLabel(key || null)}
          />
        )}
        {mayAdd && items.length > 1 && chosen === null && (
          <Button icon="check" onClick={() => setChosen(new Set())}>
            {t("chooseSome")}
          </Button>
        )}
      </div>
      {chosen !== null && <Chosen ids={picked} onEnd={() => setChosen(null)} />}
      {listed.state === "failed" && <Failed message={listed.message} onRetry={() => void lookFor(listed.wanted)} />}
      {listed.state === "loading" && <Loading />}
      {listed.state === "ready" && items.length === 0 && (
        <Empty icon="folder" title={isFiltered ? t("noMatch") : t("empty")} {...(isFiltered || !mayAdd ? {} : { text: t("emptyLead") })}>
          {!isFiltered && mayAdd && <p className="quiet small drop-hint">{t("orDrop")}</p>}
        </Empty>
      )}
      {items.length > 0 && (
        <DocumentRows
          items={items}
          hasMore={listed.cursor !== null}
          showCollection={collection === null && all.length > 1}
          chosen={chosen}
          onTurn={turn}
        />
      )}
    </div>
  );
}

function Chosen({ ids, onEnd }: { ids: readonly string[]; onEnd: () => void }): ReactNode {
  const t = useWords();
  const [isLabelling, setLabelling] = useState(false);
  // this bar goes, and the focus with it
  useEffect(() => () => document.getElementById(LIST_ID)?.focus(), []);
  return (
    <div className="chosen" role="group" aria-label={t("chooseSome")}>
      <span role="status">{count("chosen", ids.length)}</span>
      <Button kind="main" disabled={ids.length === 0} onClick={() => setLabelling(true)}>
        {t("labelChosen")}
      </Button>
      <Button onClick={onEnd}>{t("endChoosing")}</Button>
      <LabelDialog isOpen={isLabelling} ids={ids} onClose={() => setLabelling(false)} onDone={onEnd} />
    </div>
  );
}

function turned(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const others = new Set([...ids].filter((each) => each !== id));
  return ids.has(id) ? others : others.add(id);
}
