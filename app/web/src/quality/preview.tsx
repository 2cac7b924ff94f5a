// What the model would read for a question, word for word, and what each part of it costs.

import { type ReactNode, type SyntheticEvent, useState } from "react";
import { call } from "../api/client";
import type { PromptPreview } from "../api/types";
import { numberText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { useLoaded } from "../lib/use";
import { Button } from "../ui/button";
import { Field } from "../ui/form";
import { Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";

const ROLES = { system: "roleSystem", user: "roleUser", assistant: "roleAssistant" } as const;
const PARTS = [
  ["system", "partSystem"],
  ["examples", "partExamples"],
  ["passages", "partPassages"],
  ["question", "partQuestion"],
  ["frame", "partFrame"],
] as const;

interface Props {
  /** One that is kept, or a source that is not yet. */
  prompt: { prompt: string } | { source: string };
}

export function Preview({ prompt }: Props): ReactNode {
  const t = words.useWords();
  const [question, setQuestion] = useState("");
  const [asked, setAsked] = useState<{ question: string; prompt: Props["prompt"]; n: number } | null>(null);
  const show = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (question.trim()) setAsked({ question, prompt, n: (asked?.n ?? 0) + 1 });
  };
  return (
    <Panel title={t("preview")} lead={t("previewLead")}>
      <form className="preview-ask" onSubmit={show}>
        <Field label={t("previewQuestion")} maxLength={4000} value={question} onValue={setQuestion} />
        <Button type="submit">{t("show")}</Button>
      </form>
      {asked && <Shown key={asked.n} body={{ question: asked.question, ...asked.prompt }} />}
    </Panel>
  );
}

function Shown({ body }: { body: { question: string; prompt?: string; source?: string } }): ReactNode {
  const loaded = useLoaded("preview", (signal) => call("post", "/v1/prompts/preview", { body, signal }));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Read preview={loaded.value} />;
}

function Read({ preview }: { preview: PromptPreview }): ReactNode {
  const t = words.useWords();
  const { tokens, window, prompt_tokens: total, answer_tokens: answer } = preview;
  const used = { n: numberText(total), window: numberText(window), answer: numberText(answer) };
  return (
    <>
      <p className={preview.fits ? "small" : "small bad-text"}>
        {t("tokens", used)}. {preview.fits ? t("fits") : t("tooLong")}{" "}
        {preview.left_out.length > 0 && t("leftOutPassages", { n: preview.left_out.length })}
      </p>
      <div className="parts" aria-hidden="true">
        {PARTS.map(([part]) => (
          <span key={part} className={`part ${part}`} style={{ flexGrow: tokens[part] }} />
        ))}
        <span className="part rest" style={{ flexGrow: Math.max(0, window - total) }} />
      </div>
      <ul className="part-names small">
        {PARTS.map(([part, name]) => (
          <li key={part}>
            <span className={`part ${part}`} />
            {t(name)} {numberText(tokens[part])}
          </li>
        ))}
      </ul>
      <ol className="messages">
        {preview.messages.map(({ role, content }, index) => (
          <li key={index}>
            <h4>{t(ROLES[role])}</h4>
            <pre>{content}</pre>
          </li>
        ))}
      </ol>
    </>
  );
}
