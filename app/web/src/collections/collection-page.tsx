// One collection: what it is about, its map, and how to be rid of it.

import { type ReactNode, useState } from "react";
import { changeAsSeen } from "../api/changing";
import { call, callTagged } from "../api/client";
import type { Collection } from "../api/types";
import { FirstQuestions, firstQuestions } from "../chat/welcome";
import { languageName } from "../i18n/format";
import { count, useWords } from "../i18n/language";
import { attempt } from "../lib/attempt";
import { Link, navigate } from "../lib/router";
import { useReloaded } from "../lib/use";
import { Members } from "../people/members";
import { Answering } from "../quality/answering";
import { useMay } from "../shell/session";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Area, Form } from "../ui/form";
import { Icon } from "../ui/icon";
import { RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { DEFAULT_COLLECTION, loadCollections } from "./collections";
import { CollectionMapView } from "./map";

export function CollectionPage({ name }: { name: string }): ReactNode {
  const [loaded, changed] = useReloaded(name, (signal) => call("get", "/v1/collections/{name}", { params: { name }, signal }));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Shown item={loaded.value} onChanged={changed} />;
}

function Shown({ item, onChanged }: { item: Collection; onChanged: () => void }): ReactNode {
  const t = useWords();
  const [mode, setMode] = useState<"shown" | "describing" | "deleting">("shown");
  const close = (): void => setMode("shown");
  const isOwner = useMay("owner", item.name);
  const remove = async (): Promise<void> => {
    if (!(await attempt(() => call("delete", "/v1/collections/{name}", { params: { name: item.name } })))) return;
    navigate({ name: "collections" });
    void loadCollections();
  };
  return (
    <div className="room">
      <RoomHead
        title={item.name}
        lead={item.description || t("noDescription")}
        note={[count("documentsHere", item.num_documents), item.language && languageName(item.language)].filter(Boolean).join(" · ")}
        back={{ to: { name: "collections" }, label: t("collections") }}
      >
        {isOwner && item.name !== DEFAULT_COLLECTION && (
          <Button icon="trash" onClick={() => setMode("deleting")}>
            {t("delete")}
          </Button>
        )}
        {isOwner && (
          <Button icon="edit" onClick={() => setMode("describing")}>
            {t("describe")}
          </Button>
        )}
        <Link className="button main" to={{ name: "documents", collection: item.name }}>
          <Icon name="folder" size={16} />
          {t("documents")}
        </Link>
      </RoomHead>
      <CollectionMapView name={item.name} />
      <Answering collection={item.name} />
      {isOwner && <Members collection={item.name} />}
      <Dialog isOpen={mode === "describing"} onClose={close} title={t("describe")}>
        <Describe item={item} onClose={close} onChanged={onChanged} />
      </Dialog>
      <Confirm
        isOpen={mode === "deleting"}
        title={t("deleteCollection")}
        text={t("deleteCollectionText", { name: item.name, n: item.num_documents })}
        action={t("delete")}
        onConfirm={() => void remove()}
        onClose={close}
      />
    </div>
  );
}

function questionsOf(item: Collection): string {
  return (item.settings.first_questions ?? []).join("\n");
}

function Describe({ item, onClose, onChanged }: { item: Collection; onClose: () => void; onChanged: () => void }): ReactNode {
  const t = useWords();
  const [description, setDescription] = useState(item.description);
  const [questions, setQuestions] = useState(questionsOf(item));
  const lines = questions
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const offered = firstQuestions([lines]);
  const save = async (): Promise<void> => {
    const params = { name: item.name };
    const body = { description, settings: { first_questions: lines } };
    await changeAsSeen(
      () => callTagged("get", "/v1/collections/{name}", { params }),
      (now) => now.description === item.description && questionsOf(now) === questionsOf(item),
      (ifMatch) => call("patch", "/v1/collections/{name}", { params, body, ifMatch }),
    );
    onClose();
    onChanged();
  };
  return (
    <Form action={t("save")} onSend={save} onCancel={onClose}>
      <Area label={t("description")} rows={3} maxLength={4000} value={description} onValue={setDescription} />
      <Area label={t("firstQuestions")} hint={t("firstQuestionsHint")} rows={4} value={questions} onValue={setQuestions} />
      {offered.length > 0 && (
        <div className="field">
          {t("firstQuestionsShown")}
          <FirstQuestions offered={offered} />
        </div>
      )}
    </Form>
  );
}
