// The collections: what there is, and how to begin another.

import { type SyntheticEvent, type ReactNode, useEffect, useState } from "react";
import { call } from "../api/client";
import { messageOf } from "../api/problem";
import { count, useWords } from "../i18n/language";
import { Link, navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Failed, Loading } from "../ui/states";
import { collections, loadCollections } from "./collections";

const NAME = "[a-z0-9][a-z0-9_\\-]{0,62}";

export function CollectionsPage(): ReactNode {
  const t = useWords();
  const listed = useStore(collections);
  const [isMaking, setMaking] = useState(false);
  useEffect(() => void loadCollections(), []);
  return (
    <div className="room">
      <header className="room-head">
        <div>
          <h1>{t("collections")}</h1>
          <p className="quiet">{t("collectionsLead")}</p>
        </div>
        <div className="room-tools">
          <Button kind="main" icon="plus" onClick={() => setMaking(true)}>
            {t("newCollection")}
          </Button>
        </div>
      </header>
      {listed.state === "loading" && <Loading />}
      {listed.state === "failed" && <Failed message={listed.message} onRetry={() => void loadCollections()} />}
      <ul className="cards">
        {listed.items.map((item) => (
          <li key={item.id}>
            <Link className="card" to={{ name: "collection", collection: item.name }}>
              <span className="card-sign">
                <Icon name="layers" size={20} />
              </span>
              <h2>{item.name}</h2>
              <p className="quiet">{item.description || t("noDescription")}</p>
              <span className="small quiet">{count("documentsHere", item.num_documents)}</span>
            </Link>
          </li>
        ))}
      </ul>
      <Dialog isOpen={isMaking} onClose={() => setMaking(false)} title={t("newCollection")}>
        <NewCollection onClose={() => setMaking(false)} />
      </Dialog>
    </div>
  );
}

function NewCollection({ onClose }: { onClose: () => void }): ReactNode {
  const t = useWords();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const make = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    try {
      await call("post", "/v1/collections", { body: { name, description } });
      onClose();
      navigate({ name: "collection", collection: name });
    } catch (error) {
      setFault(messageOf(error));
    }
  };
  return (
    <form className="form" onSubmit={make}>
      {fault !== null && <Failed message={fault} />}
      <label className="field">
        {t("name")}
        <input required pattern={NAME} value={name} title={t("nameHint")} onChange={(event) => setName(event.target.value)} />
        <span className="quiet small">{t("nameHint")}</span>
      </label>
      <label className="field">
        {t("description")}
        <textarea rows={3} maxLength={4000} value={description} onChange={(event) => setDescription(event.target.value)} />
      </label>
      <div className="dialog-buttons">
        <Button onClick={onClose}>{t("cancel")}</Button>
        <Button kind="main" type="submit">
          {t("make")}
        </Button>
      </div>
    </form>
  );
}
