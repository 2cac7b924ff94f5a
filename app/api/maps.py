"""Route of a collection's map: as data, or as a picture for a browser."""

from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.access import CallerAccess
from app.api.common import CollectionInPath, TheServices, problems
from app.api.fields import Reply
from retrieval.map.options import MAX_CLUSTERS, MAX_POINTS, MAX_SEED, MapOptions
from retrieval.map.picture import draw_svg
from retrieval.map.types import Cluster, CollectionMap

router = APIRouter(tags=["collections"])

_SVG: Final = "image/svg+xml"
_PICTURE_HEADERS: Final = {
    # a picture that is opened by itself needs its own style, and nothing else from anywhere
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
    "Vary": "Accept",
}


class ClusterOut(Reply):
    """Chunks that are alike: the words that tell them from the rest, and where most of them lie."""

    terms: list[str]
    num_points: int
    x: float
    y: float

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        """From the room's own data."""
        return cls(
            terms=list(cluster.terms),
            num_points=cluster.num_points,
            x=round(cluster.x, 5),
            y=round(cluster.y, 5),
        )


class PointOut(Reply):
    """A chunk on the map. `cluster` counts from 0 in `clusters`; x and y go from 0 to 1, y up."""

    id: str
    document_id: str
    cluster: int
    x: float
    y: float


class MapOut(Reply):
    """A map of a collection. Where it has more chunks than points, those are an even sample."""

    collection: str
    generation: int
    num_chunks: int
    clusters: list[ClusterOut]
    points: list[PointOut]

    @classmethod
    def of(cls, drawn: CollectionMap, collection: str) -> Self:
        """From the room's own data."""
        columns = zip(
            drawn.chunk_ids.tolist(),
            drawn.document_ids,
            drawn.labels.tolist(),
            drawn.places.round(5).tolist(),
            strict=True,
        )
        return cls(
            collection=collection,
            generation=drawn.generation,
            num_chunks=drawn.num_chunks,
            clusters=[ClusterOut.of(cluster) for cluster in drawn.clusters],
            points=[
                PointOut(id=str(chunk_id), document_id=document, cluster=label, x=x, y=y)
                for chunk_id, document, label, (x, y) in columns
            ],
        )


class MapQuery(BaseModel):
    """How to draw it; unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json", "svg"] | None = None
    max_points: int = Field(default=MAX_POINTS, ge=1, le=MAX_POINTS)
    clusters: int | None = Field(default=None, ge=1, le=MAX_CLUSTERS)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)


@router.get(
    "/v1/collections/{name}/map",
    summary="Draw a collection",
    response_model=MapOut,
    responses={200: {"content": {_SVG: {}}}, **problems(404)},
)
def draw_map(
    name: CollectionInPath,
    services: TheServices,
    access: CallerAccess,
    query: Annotated[MapQuery, Query()],
    accept: Annotated[str, Header()] = "",
) -> MapOut | Response:
    """The chunks of a collection in the plane, near where they are alike, in named clusters.

    A picture where `format` is `svg`, or where nothing is said and `Accept` names `image/svg+xml`.
    """
    collection = services.collections.get(name, access)
    options = MapOptions(query.max_points, query.clusters, query.seed)
    drawn = services.mapper.draw(collection.id, options)
    if query.format == "svg" or (query.format is None and _SVG in accept):
        return Response(draw_svg(drawn, title=name), media_type=_SVG, headers=_PICTURE_HEADERS)
    return MapOut.of(drawn, name)
