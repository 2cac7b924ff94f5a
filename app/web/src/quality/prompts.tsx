// The prompts: every template by name, the newest version first.

import { type ReactNode, useState } from "react";
import type { Prompt } from "../api/types";
import { quality as words } from "../i18n/quality";
import { Link } from "../lib/router";
import { useLoaded } from "../lib/use";
import { useOwnsService } from "../shell/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Mark, RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { QualityTabs } from "./evaluations";
import { PromptEditor } from "./prompt-editor";
import { fetchPrompts, versionsByName } from "./versions";

const BEGINNING = `name: short_answers
description: One sentence, no more.
en:
  system: Answer in one sentence, with the words of the passages.
  passage: |-
    [{number}] {source}
    {text}
  user: |-
    {passages}

    Question: {question}
es:
  system: Responde en una frase, con las palabras de los pasajes.
  passage: |-
    [{number}] {source}
    {text}
  user: |-
    {passages}

    Pregunta: {question}
`;

export function PromptsPage(): ReactNode {
  const t = words.useWords();
  const mayMake = useOwnsService();
  const [isMaking, setMaking] = useState(false);
  const loaded = useLoaded("prompts", fetchPrompts);
  return (
    <div className="room">
      <RoomHead title={t("prompts")} lead={t("promptsLead")}>
        {mayMake && (
          <Button kind="main" icon="plus" onClick={() => setMaking(true)}>
            {t("newPrompt")}
          </Button>
        )}
      </RoomHead>
      <QualityTabs here="prompts" />
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} />}
      {loaded.state === "ready" && (
        <ul className="cards">
          {versionsByName(loaded.value).map(([name, versions]) => (
            <PromptCard key={name} versions={versions} />
          ))}
        </ul>
      )}
      <Dialog isOpen={isMaking} onClose={() => setMaking(false)} title={t("newPrompt")} isWide>
        <PromptEditor source={BEGINNING} onCancel={() => setMaking(false)} />
      </Dialog>
    </div>
  );
}

function PromptCard({ versions }: { versions: readonly Prompt[] }): ReactNode {
  const t = words.useWords();
  const [newest] = versions;
  if (!newest) return null;
  return (
    <li>
      <Link className="card" to={{ name: "prompt", reference: newest.reference }}>
        <h2>{newest.name}</h2>
        <p className="quiet">{newest.description}</p>
        <span className="marks start">
          {newest.built_in ? <Mark text={t("builtIn")} /> : <Mark text={words.count("versions", versions.length)} />}
          {newest.languages.map((each) => (
            <Mark key={each} text={each} />
          ))}
        </span>
      </Link>
    </li>
  );
}
