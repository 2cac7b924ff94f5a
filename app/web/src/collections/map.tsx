// The map of a collection: every chunk a point, near where they are alike, in named clusters.

import { type ReactNode, useMemo } from "react";
import { call } from "../api/client";
import type { CollectionMap } from "../api/types";
import { count, useWords } from "../i18n/language";
import { useLoaded } from "../lib/use";
import { Empty, Failed, Loading } from "../ui/states";
import { MapPlane } from "./map-plane";
import { colourOf } from "./plane";

const MAX_POINTS = 20_000;
const TERMS = 5;

export function CollectionMapView({ name }: { name: string }): ReactNode {
  const t = useWords();
  const loaded = useLoaded(name, (signal) =>
    call("get", "/v1/collections/{name}/map", { params: { name }, query: { format: "json", max_points: MAX_POINTS }, signal }),
  );
  return (
    <section className="map" aria-labelledby="map-title">
      <h2 id="map-title">{t("map")}</h2>
      <p className="quiet small">
        {t("mapLead")} {t("lassoHint")}
      </p>
      {loaded.state === "loading" && <Loading />}
      {loaded.state === "failed" && <Failed message={loaded.message} />}
      {loaded.state === "ready" &&
        (loaded.value.points.length ? (
          <>
            <MapPlane map={loaded.value} />
            <Clusters map={loaded.value} />
          </>
        ) : (
          <Empty icon="layers" title={t("mapEmpty")} />
        ))}
    </section>
  );
}

function Clusters({ map }: { map: CollectionMap }): ReactNode {
  const t = useWords();
  const largest = useMemo(() => Math.max(...map.clusters.map((cluster) => cluster.num_points), 1), [map]);
  return (
    <ol className="clusters" aria-label={t("clusters")}>
      {map.clusters.map((cluster, index) => (
        <li key={index}>
          <span className="cluster-dot" style={{ background: colourOf(index) }} />
          <span className="clipped">{cluster.terms.slice(0, TERMS).join(" · ") || t("unnamed")}</span>
          <meter aria-label={t("clusterShare")} min={0} max={largest} value={cluster.num_points} />
          <span className="small quiet">{count("chunks", cluster.num_points)}</span>
        </li>
      ))}
    </ol>
  );
}
