// Say what one or more documents are. A person's label takes the place of a classifier's, for good.

import { type ReactNode, useState } from "react";
import { count, useWords } from "../i18n/language";
import { Dialog } from "../ui/dialog";
import { Field, Form, NameField } from "../ui/form";
import { labelDocuments } from "./labelling";
import { MAX_LABEL_CHARS, NAME_PATTERN } from "./labels";

interface Props {
  isOpen: boolean;
  ids: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

export function LabelDialog({ isOpen, ids, onClose, onDone }: Props): ReactNode {
  const t = useWords();
  const title = ids.length === 1 ? t("labelDocument") : count("labelDocuments", ids.length);
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={title}>
      <LabelForm ids={ids} onClose={onClose} onDone={onDone} />
    </Dialog>
  );
}

function LabelForm({ ids, onClose, onDone }: Omit<Props, "isOpen">): ReactNode {
  const t = useWords();
  const [name, setName] = useState("topic");
  const [label, setLabel] = useState("");
  const send = async (): Promise<void> => {
    await labelDocuments(ids, { name, label: label.trim() });
    onDone();
  };
  return (
    <Form action={t("save")} onSend={send} onCancel={onClose}>
      <NameField label={t("labelName")} hint={t("labelNameHint")} pattern={NAME_PATTERN} value={name} onValue={setName} />
      <Field label={t("label")} hint={t("labelHint")} required pattern=".*\S.*" maxLength={MAX_LABEL_CHARS} value={label} onValue={setLabel} />
    </Form>
  );
}
