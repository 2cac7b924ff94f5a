// How a collection is answered from: the prompt in use, what was in use before, and when it refuses.

import type { ReactNode } from "react";
import { changeAsSeen } from "../api/changing";
import { call, callTagged } from "../api/client";
import { momentText, numberText, percentText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { attempt } from "../lib/attempt";
import { Link } from "../lib/router";
import { useLoaded, useReloaded } from "../lib/use";
import { useMay } from "../shell/session";
import { Button } from "../ui/button";
import { Choice } from "../ui/form";
import { Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { fetchPrompts } from "./versions";

export function Answering({ collection }: { collection: string }): ReactNode {
  const t = words.useWords();
  const params = { name: collection };
  const [loaded, changed] = useReloaded(collection, async (signal) => {
    const [prompt, confidence] = await Promise.all([
      call("get", "/v1/collections/{name}/prompt", { params, signal }),
      call("get", "/v1/collections/{name}/confidence", { params, signal }),
    ]);
    return { prompt, confidence };
  });
  const mayChange = useMay("owner", collection);
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} onRetry={changed} />;
  const { prompt, confidence } = loaded.value;
  const [now, before] = prompt.history;
  return (
    <Panel
      title={t("answering")}
      lead={t("answeringLead")}
      tools={
        mayChange &&
        (before ?? (now && !now.is_default)) && (
          <Button
            icon="retry"
            onClick={() => void attempt(() => call("post", "/v1/collections/{name}/prompt/rollback", { params })).then(changed)}
          >
            {t("rollBack")}
          </Button>
        )
      }
    >
      <dl className="pairs">
        <dt>{t("prompt")}</dt>
        <dd>
          {mayChange ? (
            <PromptChoice collection={collection} active={activeOf(prompt)} onChanged={changed} />
          ) : (
            <Link to={{ name: "prompt", reference: prompt.prompt }}>{prompt.prompt}</Link>
          )}
          <span className="quiet small">
            {now ? t("activeSince", { date: momentText(now.created_at) }) : t("activeAlways")}
          </span>
        </dd>
        <dt>{t("confidence")}</dt>
        <dd>
          {t("confidenceFrom", { share: percentText(confidence.min_confidence) })}
          <span className="quiet small">
            {confidence.num_questions === null
              ? t("confidenceUsual")
              : t("confidenceFitted", { n: numberText(confidence.num_questions) })}
          </span>
        </dd>
      </dl>
    </Panel>
  );
}

function activeOf({ prompt, is_default }: { prompt: string; is_default: boolean }): string {
  return is_default ? "" : prompt;
}

function PromptChoice(props: { collection: string; active: string; onChanged: () => void }): ReactNode {
  const t = words.useWords();
  const prompts = useLoaded("prompts", fetchPrompts);
  const references = prompts.state === "ready" ? prompts.value.map((each) => each.reference) : [props.active].filter(Boolean);
  const params = { name: props.collection };
  const choose = (reference: string): void =>
    void attempt(() =>
      changeAsSeen(
        () => callTagged("get", "/v1/collections/{name}/prompt", { params }),
        (now) => activeOf(now) === props.active,
        (ifMatch) => call("put", "/v1/collections/{name}/prompt", { params, body: { prompt: reference || null }, ifMatch }),
      ),
    ).then(props.onChanged);
  return (
    <Choice
      label={t("prompt")}
      value={props.active}
      choices={[["", t("promptOfService")], ...references.map((each) => [each, each] as const)]}
      onChoose={choose}
    />
  );
}
