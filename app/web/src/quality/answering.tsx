// How a collection is answered from: the prompt and the adapter in use, what was in use before, and when it refuses.

import type { ReactNode } from "react";
import { changeAsSeen } from "../api/changing";
import { call, callTagged } from "../api/client";
import type { Adapter, ActiveAdapter, ActivePrompt } from "../api/types";
import { numberText, percentText } from "../i18n/format";
import { quality as words } from "../i18n/quality";
import { attempt } from "../lib/attempt";
import { Link } from "../lib/router";
import { useLoaded, useReloaded } from "../lib/use";
import { useMay } from "../shell/session";
import { Panel } from "../ui/room";
import { Failed, Loading } from "../ui/states";
import { Active } from "./active";
import { AdaptersButton } from "./adapters";
import { fetchPrompts } from "./versions";

export function Answering({ collection }: { collection: string }): ReactNode {
  const t = words.useWords();
  const params = { name: collection };
  const [loaded, changed] = useReloaded(collection, async (signal) => {
    const [prompt, adapter, { items: adapters }, confidence] = await Promise.all([
      call("get", "/v1/collections/{name}/prompt", { params, signal }),
      call("get", "/v1/collections/{name}/adapter", { params, signal }),
      call("get", "/v1/adapters", { signal }),
      call("get", "/v1/collections/{name}/confidence", { params, signal }),
    ]);
    return { prompt, adapter, adapters, confidence };
  });
  if (loaded.state === "loading") return <Loading />;
  if (loaded.state === "failed") return <Failed message={loaded.message} onRetry={changed} />;
  const { prompt, adapter, adapters, confidence } = loaded.value;
  return (
    <Panel title={t("answering")} lead={t("answeringLead")}>
      <dl className="pairs">
        <ActivePromptRow collection={collection} prompt={prompt} onChanged={changed} />
        <ActiveAdapterRow collection={collection} adapter={adapter} adapters={adapters} onChanged={changed} />
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

interface RowProps {
  collection: string;
  onChanged: () => void;
}

function ActivePromptRow({ collection, prompt, onChanged }: RowProps & { prompt: ActivePrompt }): ReactNode {
  const t = words.useWords();
  const mayChange = useMay("owner", collection);
  const prompts = useLoaded(mayChange ? "prompts" : null, fetchPrompts);
  const params = { name: collection };
  const active = promptOf(prompt);
  const known = prompts.state === "ready" ? prompts.value.map((each) => each.reference) : active === null ? [] : [active];
  const choose = (reference: string | null): void =>
    void attempt(() =>
      changeAsSeen(
        () => callTagged("get", "/v1/collections/{name}/prompt", { params }),
        (now) => promptOf(now) === active,
        (ifMatch) => call("put", "/v1/collections/{name}/prompt", { params, body: { prompt: reference }, ifMatch }),
      ),
    ).then(onChanged);
  const goBack = (): void =>
    void attempt(() => call("post", "/v1/collections/{name}/prompt/rollback", { params })).then(onChanged);
  return (
    <Active
      label={t("prompt")}
      active={active}
      references={mayChange ? known : null}
      shown={<Link to={{ name: "prompt", reference: prompt.prompt }}>{prompt.prompt}</Link>}
      history={prompt.history.map((each) => ({ ...each, reference: promptOf(each) }))}
      onChoose={choose}
      back={{ label: t("promptBack"), run: goBack }}
    />
  );
}

function promptOf({ prompt, is_default }: Pick<ActivePrompt, "prompt" | "is_default">): string | null {
  return is_default ? null : prompt;
}

type AdapterRowProps = RowProps & { adapter: ActiveAdapter; adapters: readonly Adapter[] };

function ActiveAdapterRow({ collection, adapter, adapters, onChanged }: AdapterRowProps): ReactNode {
  const t = words.useWords();
  const mayChange = useMay("owner", collection);
  const params = { name: collection };
  const active = adapter.adapter;
  const known = adapters.map((each) => each.reference);
  const choose = (reference: string | null): void =>
    void attempt(() =>
      changeAsSeen(
        () => callTagged("get", "/v1/collections/{name}/adapter", { params }),
        (now) => now.adapter === active,
        (ifMatch) => call("put", "/v1/collections/{name}/adapter", { params, body: { adapter: reference }, ifMatch }),
      ),
    ).then(onChanged);
  const goBack = (): void =>
    void attempt(() => call("post", "/v1/collections/{name}/adapter/rollback", { params })).then(onChanged);
  return (
    <Active
      label={t("adapter")}
      active={active}
      references={mayChange ? known : null}
      shown={active ?? t("asService")}
      history={adapter.history.map((each) => ({ ...each, reference: each.adapter }))}
      onChoose={choose}
      back={{ label: t("adapterBack"), run: goBack }}
    >
      {known.length > 0 ? (
        <AdaptersButton adapters={adapters} active={active} history={adapter.history} />
      ) : (
        mayChange && <span className="quiet small">{t("adapterNone")}</span>
      )}
    </Active>
  );
}
