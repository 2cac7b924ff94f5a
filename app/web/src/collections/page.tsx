// The collections: what there is, and how to begin another.

import { type ReactNode, useEffect, useState } from "react";
import { call } from "../api/client";
import { count, useWords } from "../i18n/language";
import { Link, navigate } from "../lib/router";
import { useStore } from "../lib/store";
import { useOwnsService } from "../shell/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Area, Form, NameField } from "../ui/form";
import { Icon } from "../ui/icon";
import { RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { collections, loadCollections } from "./collections";

const NAME = "[a-z0-9][a-z0-9_\\-]{0,62}";

export function CollectionsPage(): ReactNode {
  const t = useWords();
  const listed = useStore(collections);
  const [isMaking, setMaking] = useState(false);
  const mayMake = useOwnsService();
  useEffect(() => void loadCollections(), []);
  return (
    <div className="room">
      <RoomHead title={t("collections")} lead={t("collectionsLead")}>
        {mayMake && (
          <Button kind="main" icon="plus" onClick={() => setMaking(true)}>
            {t("newCollection")}
          </Button>
        )}
      </RoomHead>
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
  const make = async (): Promise<void> => {
    await call("post", "/v1/collections", { body: { name, description } });
    onClose();
    navigate({ name: "collection", collection: name });
  };
  return (
    <Form action={t("make")} onSend={make} onCancel={onClose}>
      <NameField label={t("name")} hint={t("nameHint")} pattern={NAME} value={name} onValue={setName} />
      <Area label={t("description")} maxLength={4000} value={description} onValue={setDescription} />
    </Form>
  );
}
