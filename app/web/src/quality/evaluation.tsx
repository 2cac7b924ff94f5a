// One evaluation: its figures, where questions ended, the risk, what changed since another, and what cost most.

import { type ReactNode, useState } from "react";
import { addressOf, call } from "../api/client";
import type { Evaluation, EvaluationReport } from "../api/types";
import { momentText, numberText, percentText } from "../i18n/format";
import { endText, measureText, quality as words } from "../i18n/quality";
import { navigate } from "../lib/router";
import { useLoaded, useWatched } from "../lib/use";
import { attempt } from "../lib/attempt";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Mark, Panel, RoomHead } from "../ui/room";
import { Failed, Loading, Meter } from "../ui/states";
import { Bar, Curve } from "./charts";
import { Comparison } from "./comparison";
import { isOpenRun, type ReportCase, runMark, runName, runState } from "./runs";

const EVERY_MS = 1500;
const GOOD_ENDS = new Set(["right", "rightly refused"]);
// a measure from -1 to 1 has no bar from 0
const SIGNED = new Set(["score"]);

export function EvaluationPage({ id }: { id: string }): ReactNode {
  const [loaded] = useWatched(
    id,
    (signal) => call("get", "/v1/evaluations/{evaluation_id}", { params: { evaluation_id: id }, signal }),
    { everyMs: EVERY_MS, isLive: isOpenRun },
  );
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  return <Shown run={loaded.value} />;
}

function Shown({ run }: { run: Evaluation }): ReactNode {
  const t = words.useWords();
  const [isDeleting, setDeleting] = useState(false);
  const params = { evaluation_id: run.id };
  const cancel = (): void => void attempt(() => call("post", "/v1/evaluations/{evaluation_id}/cancel", { params }));
  const remove = async (): Promise<void> => {
    if (await attempt(() => call("delete", "/v1/evaluations/{evaluation_id}", { params }))) navigate({ name: "evaluations" });
  };
  const lead = [run.prompt, run.collections?.join(", "), words.count("questions", run.total), momentText(run.created_at)];
  const wasAsked = !isOpenRun(run) && run.done > 0;
  return (
    <div className="room">
      <RoomHead
        title={runName(run)}
        lead={lead.filter(Boolean).join(" · ")}
        back={{ to: { name: "evaluations" }, label: t("evaluations") }}
      >
        {isOpenRun(run) && (
          <Button icon="stop" onClick={cancel}>
            {t("cancelRun")}
          </Button>
        )}
        <Button icon="trash" onClick={() => setDeleting(true)}>
          {t("deleteRun")}
        </Button>
        <a className="button" href={addressOf("/v1/evaluations/{evaluation_id}/questions", params)} download="questions.jsonl">
          <Icon name="download" size={16} />
          {t("takeQuestions")}
        </a>
        {wasAsked && (
          <a
            className="button main"
            href={addressOf("/v1/evaluations/{evaluation_id}/report", params, { format: "html" })}
            target="_blank"
            rel="noreferrer"
          >
            {t("report")}
          </a>
        )}
      </RoomHead>
      <p className="run-state" role="status">
        <Mark kind={runMark(run)} text={runState(run)} />
        {isOpenRun(run) && <Meter label={runState(run)} done={run.done} total={run.total || null} />}
      </p>
      {run.error && <Failed message={run.error.message} />}
      {wasAsked && <Report run={run} />}
      <Confirm
        isOpen={isDeleting}
        title={t("deleteRunTitle")}
        text={t("deleteRunText")}
        action={t("deleteRun")}
        onConfirm={() => void remove()}
        onClose={() => setDeleting(false)}
      />
    </div>
  );
}

function Report({ run }: { run: Evaluation }): ReactNode {
  const t = words.useWords();
  const loaded = useLoaded(run.id, (signal) =>
    call("get", "/v1/evaluations/{evaluation_id}/report", { params: { evaluation_id: run.id }, query: { format: "json" }, signal }),
  );
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} />;
  const report = loaded.value;
  return (
    <>
      <Figures report={report} />
      <div className="panels">
        <Funnel funnel={report.funnel} />
        <Panel title={t("curve")} lead={t("curveLead")}>
          <RiskCurve report={report} />
        </Panel>
      </div>
      <Comparison run={run} />
      <Worst report={report} />
    </>
  );
}

function Figures({ report }: { report: EvaluationReport }): ReactNode {
  const t = words.useWords();
  return (
    <Panel title={t("figures")} lead={t("figuresLead")}>
      <ul className="bars-list">
        {Object.entries(report.figures.all ?? {}).map(([name, { value, low, high, n }]) => {
          const said = SIGNED.has(name) ? (each: number) => numberText(Math.round(each * 100) / 100) : percentText;
          return (
            <Bar
              key={name}
              label={measureText(name)}
              value={SIGNED.has(name) ? (value + 1) / 2 : value}
              range={SIGNED.has(name) ? [(low + 1) / 2, (high + 1) / 2] : [low, high]}
              text={t("range", { value: said(value), low: said(low), high: said(high), of: words.count("questions", n) })}
            />
          );
        })}
      </ul>
    </Panel>
  );
}

function Funnel({ funnel }: { funnel: Record<string, number> }): ReactNode {
  const t = words.useWords();
  const ends = Object.entries(funnel).filter(([, n]) => n > 0);
  const largest = Math.max(1, ...ends.map(([, n]) => n));
  return (
    <Panel title={t("funnel")} lead={t("funnelLead")}>
      <ul className="bars-list counts">
        {ends.map(([end, n]) => (
          <Bar key={end} label={endText(end)} value={n / largest} text={numberText(n)} kind={GOOD_ENDS.has(end) ? "good" : "bad"} />
        ))}
      </ul>
    </Panel>
  );
}

function RiskCurve({ report }: { report: EvaluationReport }): ReactNode {
  const t = words.useWords();
  const names: Record<string, string> = { confidence: t("byConfidence"), "retrieval score": t("byRetrieval") };
  const lines = Object.entries(report.curves).map(([name, points]) => ({
    name: names[name] ?? name,
    points,
  }));
  if (!lines.length) return <p className="quiet">{t("curveNone")}</p>;
  return <Curve label={t("curve")} lines={lines} across={t("coverage")} up={t("risk")} />;
}

function Worst({ report }: { report: EvaluationReport }): ReactNode {
  const t = words.useWords();
  const cases = report.cases as unknown as readonly ReportCase[];
  const worst = report.worst.map((line) => cases.find((each) => each.line === line)).filter((each) => each !== undefined);
  if (!worst.length) return null;
  return (
    <Panel title={t("worst")}>
      <ul className="cases">
        {worst.map((each) => (
          <li key={each.line}>
            <details>
              <summary>
                <span>{each.question}</span>
                <Mark kind="bad" text={endText(each.stage)} />
              </summary>
              <dl>
                <dt>{t("wanted")}</dt>
                <dd>{each.answerable ? [...each.answers, each.gold_quote].filter(Boolean).join("; ") : t("refusalWanted")}</dd>
                <dt>{t("got")}</dt>
                <dd>{each.withdrawn ? t("withdrawn") : each.answer}</dd>
              </dl>
            </details>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
