"""Route of search: passages, without an answer."""

import time

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.access import CallerAccess, note
from app.api.common import TheServices, problems
from app.api.schemas import PassageOut
from app.api.search_schemas import SearchOut, SearchRequest, SearchTimings
from app.asking import narrow, place_passages
from retrieval.types import Mode

router = APIRouter(tags=["search"])


@router.post("/v1/search", summary="Search", response_model=SearchOut, responses=problems(404, 503))
def search(
    request: Request, body: SearchRequest, services: TheServices, access: CallerAccess
) -> Response:
    """The passages nearest to a query in meaning and in words, best first."""
    started_s = time.perf_counter()
    narrowed = narrow(services.collections, access, body.collections)
    passages = services.retriever.retrieve(
        body.query,
        access=narrowed,
        top_k=body.top_k or services.settings.retrieval.top_k,
        mode=Mode(body.mode),
        where=body.filter,
        refining=body.refining(),
    )
    found = {passage.document_id for passage in passages}
    note(request, collections=body.collections, documents=sorted(found))
    placed = place_passages(services.documents, passages, narrowed)
    took_s = time.perf_counter() - started_s
    services.metrics.count_search(took_s)
    services.tracing.tell_search(took_s, num_passages=len(placed))
    out = SearchOut(
        passages=[PassageOut.of(item.passage, item.boxes) for item in placed],
        timings=SearchTimings(retrieve_ms=round(took_s * 1000, 1)),
    )
    # encoded here: FastAPI would check it once more, and wait for another thread to do so
    return Response(out.model_dump_json(), media_type="application/json")
