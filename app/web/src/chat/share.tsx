// Share an answer: a link for whoever may see all that it quotes from, and the end of that.

import type { ReactNode } from "react";
import { call } from "../api/client";
import { useWords } from "../i18n/language";
import { attempt } from "../lib/attempt";
import { hrefOf } from "../lib/router";
import { Store, useStore } from "../lib/store";
import { Button, IconButton } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Secret } from "../ui/secret";
import { notify } from "../ui/toasts";

// beside the turns: those are drawn anew while they scroll, and when an answer has been stored
const shared = new Store<string | null>(null);

export function ShareButton({ answerId }: { answerId: string }): ReactNode {
  const t = useWords();
  const share = async (): Promise<void> => {
    const params = { answer_id: answerId };
    if (await attempt(() => call("put", "/v1/answers/{answer_id}/share", { params }))) shared.set(answerId);
  };
  return <IconButton icon="share" size={16} label={t("share")} onClick={() => void share()} />;
}

export function ShareDialog(): ReactNode {
  const t = useWords();
  const id = useStore(shared);
  const close = (): void => shared.set(null);
  const end = async (): Promise<void> => {
    const params = { answer_id: id ?? "" };
    if (!(await attempt(() => call("delete", "/v1/answers/{answer_id}/share", { params })))) return;
    close();
    notify(t("shareEnded"));
  };
  return (
    <Dialog isOpen={id !== null} onClose={close} title={t("shareTitle")}>
      <Secret label={t("shareLink")} text={location.origin + hrefOf({ name: "answer", id: id ?? "" })} lead={t("shareLead")}>
        <Button onClick={() => void end()}>{t("shareEnd")}</Button>
        <Button kind="main" onClick={close}>
          {t("close")}
        </Button>
      </Secret>
    </Dialog>
  );
}
