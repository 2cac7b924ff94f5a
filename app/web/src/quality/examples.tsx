// The examples: judged answers, which of them the model is shown beside questions like theirs, and which never.

import { type ReactNode, useState } from "react";
import { call, collect } from "../api/client";
import type { Example } from "../api/types";
import { languageName } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { attempt } from "../lib/attempt";
import { Link } from "../lib/router";
import { useReloaded } from "../lib/use";
import { Button } from "../ui/button";
import { Choice } from "../ui/form";
import { RoomHead } from "../ui/room";
import { Empty, Failed, Loading } from "../ui/states";
import { QualityTabs } from "./evaluations";

const MAX_LISTED = 1000;
type State = Example["state"];

export function ExamplesPage(): ReactNode {
  const t = words.useWords();
  const [state, setState] = useState<State>("candidate");
  const [loaded, changed] = useReloaded(`examples/${state}`, (signal) =>
    collect((cursor) => call("get", "/v1/examples", { query: { state, cursor: cursor ?? null }, signal }), MAX_LISTED),
  );
  const none = { candidate: t("candidateNoneLead"), approved: t("approvedNoneLead"), rejected: t("rejectedNoneLead") }[state];
  const shown = loaded.state === "ready" ? loaded.value.filter((each) => each.state === state) : [];
  return (
    <div className="room">
      <RoomHead title={t("examples")} lead={t("examplesLead")}>
        <Choice
          label={t("exampleState")}
          value={state}
          choices={[
            ["candidate", t("stateCandidate")],
            ["approved", t("stateApproved")],
            ["rejected", t("stateRejected")],
          ]}
          onChoose={setState}
        />
      </RoomHead>
      <QualityTabs here="examples" />
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} onRetry={changed} />}
      {loaded.state === "ready" && !shown.length && <Empty icon="quote" title={t("exampleNone")} text={none} />}
      <ul className="lines">
        {shown.map((each) => (
          <ExampleLine key={each.id} item={each} onChanged={changed} />
        ))}
      </ul>
    </div>
  );
}

function ExampleLine({ item, onChanged }: { item: Example; onChanged: () => void }): ReactNode {
  const t = words.useWords();
  const decide = (state: "approved" | "rejected"): void => {
    const params = { answer_id: item.id };
    void attempt(() => call("put", "/v1/examples/{answer_id}", { params, body: { state } })).then(onChanged);
  };
  return (
    <li className="example">
      <span className="line-words">
        <Link className="line-link" to={{ name: "answer", id: item.id }}>
          {item.question ?? t("exampleWithoutWords")}
        </Link>
        {item.answer !== null && <q>{item.answer}</q>}
        {item.passage !== null && (
          <details>
            <summary>{t("examplePassage")}</summary>
            <p className="quiet">{item.passage}</p>
          </details>
        )}
        {item.language !== null && <span className="quiet small">{languageName(item.language)}</span>}
      </span>
      <span className="marks">
        {item.state !== "approved" && (
          <Button icon="check" onClick={() => decide("approved")}>
            {t("approve")}
          </Button>
        )}
        {item.state !== "rejected" && (
          <Button icon={item.state === "approved" ? "trash" : "close"} onClick={() => decide("rejected")}>
            {item.state === "approved" ? t("takeAway") : t("reject")}
          </Button>
        )}
      </span>
    </li>
  );
}
