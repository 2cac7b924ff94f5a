// Writing a template: what is kept is the next version of the name that it says.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import { quality as words } from "../i18n/quality";
import { navigate } from "../lib/router";
import { Area, Form } from "../ui/form";
import { notify } from "../ui/toasts";
import { Preview } from "./preview";

interface Props {
  source: string;
  onCancel: () => void;
}

export function PromptEditor({ source, onCancel }: Props): ReactNode {
  const t = words.useWords();
  const [text, setText] = useState(source);
  const keep = async (): Promise<void> => {
    const kept = await call("post", "/v1/prompts", { body: { source: text } });
    notify(t("kept", { reference: kept.reference }));
    onCancel();
    navigate({ name: "prompt", reference: kept.reference });
  };
  return (
    <>
      <Form action={t("keepVersion")} onSend={keep} onCancel={onCancel}>
        <Area
          className="code"
          label={t("sourceOf")}
          rows={18}
          spellCheck={false}
          required
          value={text}
          onValue={setText}
        />
      </Form>
      <Preview prompt={{ source: text }} />
    </>
  );
}
