// One version of a template: what it is, its source, a preview, and what differs from another one.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Prompt, PromptWhole } from "../api/types";
import { languageName, momentText, numberText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { Link } from "../lib/router";
import { useLoaded } from "../lib/use";
import { useOwnsService } from "../shell/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Choice } from "../ui/form";
import { FactList, Panel, RoomHead } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { Changes } from "./comparison";
import { Preview } from "./preview";
import { PromptEditor } from "./prompt-editor";
import { fetchPrompts, styleText } from "./versions";

export function PromptPage({ reference }: { reference: string }): ReactNode {
  const loaded = useLoaded(reference, (signal) => call("get", "/v1/prompts/{reference}", { params: { reference }, signal }));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Shown key={reference} prompt={loaded.value} />;
}

function Shown({ prompt }: { prompt: PromptWhole }): ReactNode {
  const t = words.useWords();
  const mayMake = useOwnsService();
  const listed = useLoaded("prompts", fetchPrompts);
  const all = listed.state === "ready" ? listed.value : [];
  const [isWriting, setWriting] = useState(false);
  return (
    <div className="room">
      <RoomHead
        title={prompt.reference}
        lead={[prompt.description, prompt.created_at ? momentText(prompt.created_at) : t("builtIn")].filter(Boolean).join(" · ")}
        back={{ to: { name: "prompts" }, label: t("prompts") }}
      >
        {mayMake && (
          <Button kind="main" icon="edit" onClick={() => setWriting(true)}>
            {t("newVersion")}
          </Button>
        )}
      </RoomHead>
      <div className="panels uneven">
        <Panel title={t("sourceOf")}>
          <pre className="template">{prompt.source}</pre>
        </Panel>
        <Facts prompt={prompt} all={all} />
      </div>
      <Preview prompt={{ prompt: prompt.reference }} />
      <Differences prompt={prompt} all={all} />
      <Dialog isOpen={isWriting} onClose={() => setWriting(false)} title={t("newVersion")} isWide>
        <PromptEditor source={prompt.source} onCancel={() => setWriting(false)} />
      </Dialog>
    </div>
  );
}

interface BesideProps {
  prompt: PromptWhole;
  all: readonly Prompt[];
}

function Facts({ prompt, all }: BesideProps): ReactNode {
  const t = words.useWords();
  const versions = all.filter((each) => each.name === prompt.name);
  const facts: [string, string][] = [
    [t("style"), styleText(prompt.style)],
    [t("languages"), prompt.languages.map(languageName).join(", ")],
    ...(prompt.examples ? [[t("examples"), t(prompt.examples === "fixed" ? "examplesFixed" : "examplesSimilar")] as [string, string]] : []),
    ...(prompt.max_reasoning_tokens
      ? [[t("reasons"), t("upTo", { n: numberText(prompt.max_reasoning_tokens) })] as [string, string]]
      : []),
    ["SHA-256", prompt.sha256.slice(0, 16)],
  ];
  return (
    <section className="facts panel" aria-label={prompt.reference}>
      <FactList facts={facts} />
      {versions.length > 1 && (
        <ul className="versions">
          {versions.map((each) => (
            <li key={each.reference}>
              <Link
                to={{ name: "prompt", reference: each.reference }}
                aria-current={each.reference === prompt.reference ? "page" : undefined}
              >
                {each.reference}
              </Link>
              <span className="quiet small">{each.created_at ? momentText(each.created_at) : t("builtIn")}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Differences({ prompt, all }: BesideProps): ReactNode {
  const t = words.useWords();
  const [before, setBefore] = useState("");
  const others = all.filter((each) => each.reference !== prompt.reference);
  if (!others.length) return null;
  return (
    <Panel
      title={t("differences")}
      tools={
        <Choice
          label={t("compareWith")}
          value={before}
          choices={[["", `${t("compareWith")}…`], ...others.map((each) => [each.reference, each.reference] as const)]}
          onChoose={setBefore}
        />
      }
    >
      {before && <Compared key={before} before={before} after={prompt.reference} />}
    </Panel>
  );
}

function Compared({ before, after }: { before: string; after: string }): ReactNode {
  const t = words.useWords();
  const loaded = useLoaded(before, (signal) => call("get", "/v1/prompts/compare", { query: { before, after }, signal }));
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  const { changes, scores } = loaded.value;
  return (
    <>
      {changes.length ? (
        <pre className="template diff">
          {changes.map((line, index) => (
            <span key={index} className={line.startsWith("+") ? "added" : line.startsWith("-") ? "taken" : undefined}>
              {line}
              {"\n"}
            </span>
          ))}
        </pre>
      ) : (
        <p className="quiet">{t("sameText")}</p>
      )}
      <h3>{t("scores")}</h3>
      {scores ? (
        <>
          {scores.also_changed.length > 0 && <p className="warn-text">{t("alsoChanged", { names: scores.also_changed.join(", ") })}</p>}
          <Changes found={scores} />
        </>
      ) : (
        <p className="quiet">{t("scoresNone")}</p>
      )}
    </>
  );
}
