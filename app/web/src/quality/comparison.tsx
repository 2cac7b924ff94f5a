// What changed between two evaluations on the same questions, and whether chance explains it.

import { type ReactNode, useState } from "react";
import { call } from "../api/client";
import type { Compared, Evaluation } from "../api/types";
import { momentText, numberText } from "../i18n/format";
import { measureText, quality as words } from "../i18n/quality";
import { useLoaded } from "../lib/use";
import { Choice } from "../ui/form";
import { Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { Swing } from "./charts";
import { isOpenRun, runName } from "./runs";

export function Comparison({ run }: { run: Evaluation }): ReactNode {
  const t = words.useWords();
  const [before, setBefore] = useState("");
  const others = useLoaded("others", async (signal) => {
    const { items } = await call("get", "/v1/evaluations", { signal });
    return items.filter((each) => each.id !== run.id && !isOpenRun(each) && each.done > 0);
  });
  if (others.state !== "ready" || !others.value.length) return null;
  return (
    <Panel
      title={t("comparison")}
      lead={t("comparisonLead")}
      tools={
        <Choice
          label={t("compareWith")}
          value={before}
          choices={[
            ["", `${t("compareWith")}…`],
            ...others.value.map((each) => [each.id, `${runName(each)}, ${each.prompt}, ${momentText(each.created_at)}`] as const),
          ]}
          onChoose={setBefore}
        />
      }
    >
      {before && <Differences key={before} run={run} before={before} />}
    </Panel>
  );
}

function Differences({ run, before }: { run: Evaluation; before: string }): ReactNode {
  const loaded = useLoaded(before, (signal) =>
    call("get", "/v1/evaluations/{evaluation_id}/comparison", {
      params: { evaluation_id: run.id },
      query: { before },
      signal,
    }),
  );
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Changes found={loaded.value} />;
}

export function Changes({ found }: { found: Compared }): ReactNode {
  const t = words.useWords();
  return (
    <>
      <p className={found.losses.length ? "bad-text" : "quiet"}>
        {found.losses.length ? t("losses", { names: found.losses.map(measureText).join(", ") }) : t("noLosses")}
        {found.num_left_out > 0 && ` ${words.count("leftOut", found.num_left_out)}`}
      </p>
      <ul className="bars-list">
        {Object.entries(found.differences).map(([name, { value, low, high, p }]) => (
          <Swing
            key={name}
            label={measureText(name)}
            value={value}
            range={[low, high]}
            text={t("difference", { value: signed(value), low: signed(low), high: signed(high), p: short(p) })}
          />
        ))}
      </ul>
      <Questions title={t("won")} items={found.won} />
      <Questions title={t("lost")} items={found.lost} />
    </>
  );
}

function Questions({ title, items }: { title: string; items: readonly string[] }): ReactNode {
  if (!items.length) return null;
  return (
    <section className="question-list">
      <h3>{title}</h3>
      <ul>
        {items.map((each, index) => (
          <li key={index}>{each}</li>
        ))}
      </ul>
    </section>
  );
}

const short = (value: number): string => numberText(Math.round(value * 1000) / 1000);
const signed = (value: number): string => (value > 0 ? `+${short(value)}` : short(value));
