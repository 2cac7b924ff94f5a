// An encrypted file is read once its password is given. The service forgets it after that.

import { type SyntheticEvent, type ReactNode, useState } from "react";
import { messageOf } from "../api/problem";
import type { Document } from "../api/types";
import { useWords } from "../i18n/language";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Failed } from "../ui/states";
import { retryJob } from "./jobs";

const CODES: ReadonlySet<string> = new Set(["password_required", "password_wrong"]);

export function wantsPassword(code: string | undefined): boolean {
  return code !== undefined && CODES.has(code);
}

export function PasswordButton({ item }: { item: Document }): ReactNode {
  const t = useWords();
  const [isOpen, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const close = (): void => {
    setOpen(false);
    setPassword("");
  };
  const send = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    try {
      await retryJob(item.newest.job_id, password);
      close();
    } catch (error) {
      setFault(messageOf(error));
    }
  };
  return (
    <>
      <Button className="small" onClick={() => setOpen(true)}>
        {t("givePassword")}
      </Button>
      <Dialog isOpen={isOpen} onClose={close} title={t("passwordOf", { name: item.name })}>
        <form className="form" onSubmit={send}>
          {fault !== null && <Failed message={fault} />}
          <label className="field">
            {t("password")}
            <input
              type="password"
              autoComplete="off"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
            <span className="quiet small">{t("passwordHint")}</span>
          </label>
          <div className="dialog-buttons">
            <Button onClick={close}>{t("cancel")}</Button>
            <Button kind="main" type="submit">
              {t("openIt")}
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
