// The evaluations: what was asked and what came of it, and how to start another.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Evaluation } from "../api/types";
import { CollectionChoice } from "../collections/choice";
import { momentText, percentText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { measureText, quality as words } from "../i18n/quality";
import { Link, navigate } from "../lib/router";
import { useLoaded, useWatched } from "../lib/use";
import { useOwnsService } from "../shell/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Choice, Field, Form } from "../ui/form";
import { Mark, RoomHead, Tabs } from "../ui/room";
import { Empty, Failed, Loading, Meter } from "../ui/states";
import { isOpenRun, runMark, runName, runState } from "./runs";
import { fetchPrompts } from "./versions";

const EVERY_MS = 2000;
const SHOWN = ["right", "recall_5", "refusal_f1"] as const;
const COUNTS = ["10", "25", "50", "100"] as const;

export function QualityTabs({ here }: { here: "evaluations" | "prompts" | "examples" }): ReactNode {
  const t = words.useWords();
  // they show what others asked
  const mayReview = useOwnsService();
  return (
    <Tabs
      label={t("quality")}
      here={here}
      tabs={[
        [{ name: "evaluations" }, t("evaluations")],
        [{ name: "prompts" }, t("prompts")],
        ...(mayReview ? [[{ name: "examples" }, t("examples")] as const] : []),
      ]}
    />
  );
}

export function EvaluationsPage(): ReactNode {
  const t = words.useWords();
  const [isStarting, setStarting] = useState(false);
  const [loaded] = useWatched("runs", async (signal) => (await call("get", "/v1/evaluations", { signal })).items, {
    everyMs: EVERY_MS,
    isLive: (runs) => runs.some(isOpenRun),
  });
  return (
    <div className="room">
      <RoomHead title={t("evaluations")} lead={t("evaluationsLead")}>
        <Button kind="main" icon="plus" onClick={() => setStarting(true)}>
          {t("newRun")}
        </Button>
      </RoomHead>
      <QualityTabs here="evaluations" />
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} />}
      {loaded.state === "ready" && !loaded.value.length && (
        <Empty icon="chart" title={t("evaluationNone")} text={t("evaluationNoneLead")} />
      )}
      {loaded.state === "ready" && (
        <ul className="lines">
          {loaded.value.map((each) => (
            <RunLine key={each.id} run={each} />
          ))}
        </ul>
      )}
      <Dialog isOpen={isStarting} onClose={() => setStarting(false)} title={t("newRun")}>
        <NewRun onCancel={() => setStarting(false)} />
      </Dialog>
    </div>
  );
}

function RunLine({ run }: { run: Evaluation }): ReactNode {
  return (
    <li className="run-line">
      <span className="line-words">
        <Link className="line-link" to={{ name: "evaluation", id: run.id }}>
          {runName(run)}
        </Link>
        <span className="quiet small">
          {[run.prompt, run.collections?.join(", "), words.count("questions", run.total), momentText(run.created_at)]
            .filter(Boolean)
            .join(" · ")}
        </span>
        {isOpenRun(run) && <Meter label={runState(run)} done={run.done} total={run.total || null} />}
      </span>
      <dl className="run-figures">
        {SHOWN.map((name) => {
          const figure = run.figures?.[name];
          return (
            figure && (
              <div key={name}>
                <dt>{measureText(name)}</dt>
                <dd>{percentText(figure.value)}</dd>
              </div>
            )
          );
        })}
      </dl>
      <Mark kind={runMark(run)} text={runState(run)} />
    </li>
  );
}

type Source = "file" | "feedback" | "generate";

function NewRun({ onCancel }: { onCancel: () => void }): ReactNode {
  const t = words.useWords();
  const common = useWords();
  const prompts = useLoaded("prompts", fetchPrompts);
  const [source, setSource] = useState<Source>("feedback");
  const [file, setFile] = useState<File | null>(null);
  const [count, setCount] = useState<(typeof COUNTS)[number]>("25");
  const [name, setName] = useState("");
  const [where, setWhere] = useState("");
  const [prompt, setPrompt] = useState("");
  const start = async (): Promise<void> => {
    const made = await call("post", "/v1/evaluations", {
      body: {
        ...(source === "file" ? { questions: (await file?.text()) ?? "" } : {}),
        ...(source === "feedback" ? { from_feedback: true } : { from_feedback: false }),
        ...(source === "generate" ? { generate: Number(count) } : {}),
        name: name.trim() || null,
        collections: where ? [where] : null,
        prompt: prompt || null,
      },
    });
    navigate({ name: "evaluation", id: made.id });
  };
  const references = prompts.state === "ready" ? prompts.value.map((each) => each.reference) : [];
  return (
    <Form action={t("start")} onSend={start} onCancel={onCancel}>
      <Choice
        isNamed
        label={t("source")}
        value={source}
        choices={[
          ["feedback", t("sourceFeedback")],
          ["generate", t("sourceGenerated")],
          ["file", t("sourceFile")],
        ]}
        onChoose={setSource}
      />
      {source === "file" && (
        <label className="field">
          {t("file")}
          <input type="file" required accept=".jsonl,.json,.txt" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />
          <span className="quiet small">{t("sourceFileHint")}</span>
        </label>
      )}
      {source === "generate" && (
        <Choice isNamed label={t("howMany")} value={count} choices={COUNTS.map((each) => [each, each] as const)} onChoose={setCount} />
      )}
      <CollectionChoice
        isNamed
        label={common("collection")}
        everywhere={common("everyCollection")}
        value={where}
        onChoose={setWhere}
      />
      <Choice
        isNamed
        label={t("prompt")}
        value={prompt}
        choices={[["", t("promptInUse")], ...references.map((each) => [each, each] as const)]}
        onChoose={setPrompt}
      />
      <Field label={t("runName")} hint={t("runNameHint")} maxLength={120} value={name} onValue={setName} />
    </Form>
  );
}
