// One document: what is known of it, and its pages or text.

import { type ReactNode, Suspense, useRef, useState } from "react";
import { call } from "../api/client";
import type { Document, Label, Version } from "../api/types";
import { scope } from "../chat/scope";
import { contentAddress } from "../evidence/documents";
import { TextView } from "../evidence/text-view";
import { PdfView } from "../evidence/viewer";
import { languageName, momentText, numberText, sizeText } from "../i18n/format";
import { count, useWords } from "../i18n/language";
import { Link, NEW_CHAT, navigate } from "../lib/router";
import { attempt } from "../lib/attempt";
import { useReloaded } from "../lib/use";
import { useMay } from "../shell/session";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { FactList, RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { LabelChips } from "./label-chips";
import { LabelDialog } from "./label-dialog";
import { removeLabel } from "./labelling";
import { deleteDocument } from "./remove";
import { stateText } from "./stages";

const PDF = "application/pdf";

export function DocumentPage({ id, version }: { id: string; version: number | null }): ReactNode {
  const [loaded, changed] = useReloaded(id, async (signal) => {
    const params = { document_id: id };
    const [item, versions] = await Promise.all([
      call("get", "/v1/documents/{document_id}", { params, signal }),
      call("get", "/v1/documents/{document_id}/versions", { params, signal }),
    ]);
    return { item, versions: versions.items };
  });
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  const { item, versions } = loaded.value;
  const shown = versions.find((each) => each.version === version) ?? item.version;
  return <Shown item={item} version={shown} versions={versions} onChanged={changed} />;
}

interface ShownProps {
  item: Document;
  version: Version;
  versions: readonly Version[];
  onChanged: () => void;
}

function Shown({ item, version, versions, onChanged }: ShownProps): ReactNode {
  const t = useWords();
  const mayDelete = useMay("editor", item.collection);
  const askAbout = (): void => {
    scope.set({ kind: "documents", documents: [item] });
    navigate(NEW_CHAT);
  };
  const remove = (): void => {
    deleteDocument(item);
    navigate({ name: "documents", collection: null });
  };
  return (
    <div className="room document-room">
      <RoomHead title={item.name} back={{ to: { name: "documents", collection: null }, label: t("documents") }}>
        <Button icon="chat" onClick={askAbout}>
          {t("askAbout")}
        </Button>
        {mayDelete && (
          <Button icon="trash" onClick={remove}>
            {t("delete")}
          </Button>
        )}
        <a className="button main" href={contentAddress(item.id, version.version)} download="">
          <Icon name="download" size={16} />
          {t("download")}
        </a>
      </RoomHead>
      <div className="document-body">
        <div className="document-view">
          {version.chunks === null ? (
            <p className="quiet">{t("notReadable", { state: stateText(version.state) })}</p>
          ) : version.media_type === PDF ? (
            <Suspense fallback={<Loading />}>
              <PdfView documentId={item.id} version={version.version} page={1} boxes={[]} mark={null} />
            </Suspense>
          ) : (
            <TextView documentId={item.id} version={version.version} mark={null} />
          )}
        </div>
        <Facts item={item} version={version} versions={versions} onChanged={onChanged} />
      </div>
    </div>
  );
}

function Facts({ item, version, versions, onChanged }: ShownProps): ReactNode {
  const t = useWords();
  const facts: [string, string][] = [
    [t("collection"), item.collection],
    [t("state"), stateText(version.state)],
    [t("kind"), version.media_type],
    [t("size"), sizeText(version.bytes)],
    ...(version.pages === null ? [] : [[t("pagesName"), numberText(version.pages)] as [string, string]]),
    ...(version.language ? [[t("language"), languageName(version.language)] as [string, string]] : []),
    ...(version.chunks === null ? [] : [[t("indexed"), count("chunks", version.chunks)] as [string, string]]),
    [t("addedOn"), momentText(version.created_at)],
  ];
  return (
    <section className="facts" aria-label={t("about")}>
      <FactList facts={facts} />
      <Labels item={item} onChanged={onChanged} />
      {versions.length > 1 && (
        <>
          <h2>{t("versions")}</h2>
          <ul className="versions">
            {versions.map((each) => (
              <li key={each.version}>
                <Link
                  to={{ name: "document", id: item.id, version: each.version }}
                  aria-current={each.version === version.version ? "page" : undefined}
                >
                  {t("version", { n: each.version })}
                </Link>
                <span className="quiet small">{momentText(each.created_at)}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Labels({ item, onChanged }: Pick<ShownProps, "item" | "onChanged">): ReactNode {
  const t = useWords();
  const [isAdding, setAdding] = useState(false);
  const mayChange = useMay("editor", item.collection);
  const adder = useRef<HTMLButtonElement>(null);
  const remove = ({ name }: Label): void => {
    // the chip goes, and the focus with it
    adder.current?.focus();
    void attempt(() => removeLabel(item.id, name)).then(onChanged);
  };
  return (
    <>
      <h2>{t("labels")}</h2>
      {item.labels.length === 0 && <p className="quiet small">{t("labelNone")}</p>}
      <LabelChips labels={item.labels} {...(mayChange ? { onRemove: remove } : {})} />
      {mayChange && (
        <Button ref={adder} kind="quiet" className="small" icon="plus" onClick={() => setAdding(true)}>
          {t("addLabel")}
        </Button>
      )}
      <LabelDialog
        isOpen={isAdding}
        ids={[item.id]}
        onClose={() => setAdding(false)}
        onDone={() => {
          setAdding(false);
          onChanged();
        }}
      />
    </>
  );
}
