// An encrypted file is read once its password is given. The service forgets it after that.

import { type ReactNode, useState } from "react";
import type { Document } from "../api/types";
import { useWords } from "../i18n/language";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field, Form } from "../ui/form";
import { retryJob } from "./jobs";

const CODES: ReadonlySet<string> = new Set(["password_required", "password_wrong"]);

export function wantsPassword(code: string | undefined): boolean {
  return code !== undefined && CODES.has(code);
}

export function PasswordButton({ item }: { item: Document }): ReactNode {
  const t = useWords();
  const [isOpen, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const close = (): void => {
    setOpen(false);
    setPassword("");
  };
  const send = async (): Promise<void> => {
    await retryJob(item.newest.job_id, password);
    close();
  };
  return (
    <>
      <Button className="small" onClick={() => setOpen(true)}>
        {t("givePassword")}
      </Button>
      <Dialog isOpen={isOpen} onClose={close} title={t("passwordOf", { name: item.name })}>
        <Form action={t("openIt")} onSend={send} onCancel={close}>
          <Field label={t("password")} hint={t("passwordHint")} type="password" required value={password} onValue={setPassword} />
        </Form>
      </Dialog>
    </>
  );
}
