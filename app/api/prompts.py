"""Routes of prompts: templates, which one answers from a collection, and examples for them."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.access import TheCaller, note
from app.api.common import (
    PAGE_SIZE,
    CollectionInPath,
    Cursor,
    TheServices,
    find_page,
    problems,
)
from app.api.evaluations import TheRuns
from app.api.matching import IfMatch, matching
from app.api.prompt_schemas import (
    ActivationIn,
    ActivationOut,
    ActivePromptOut,
    DecisionIn,
    ExampleOut,
    ExamplePage,
    PreviewOut,
    PreviewRequest,
    PromptNew,
    PromptOut,
    PromptPage,
    PromptsComparedOut,
    PromptWhole,
)
from app.asking import narrow, options_for
from app.comparing_prompts import compare_prompts, stored_runs
from app.examples import ExampleState
from app.previewing import Previewed, preview
from core.ids import AnswerId
from generation.prompts import read_template

router = APIRouter(tags=["prompts"])

Reference = Annotated[str, Query(max_length=80, examples=["direct", "few_shot@1"])]
PromptCursor = Annotated[
    str | None, Query(max_length=80, description="next_cursor of the last page.")
]
ReferenceInPath = Annotated[str, Path(examples=["few_shot@1"])]


@router.get("/v1/prompts", summary="List prompts", responses=problems(404))
def list_prompts(
    services: TheServices, caller: TheCaller, cursor: PromptCursor = None
) -> PromptPage:
    """Every version of every template: the built-in ones, then those made here, by name.

    A key for some collections sees the built-in ones and those that are or were active there.
    """
    found = services.prompts.list(caller.access, cursor=cursor, limit=PAGE_SIZE + 1)
    page = found[:PAGE_SIZE]
    next_cursor = page[-1].template.reference if len(found) > PAGE_SIZE else None
    return PromptPage(items=[PromptOut.of(each) for each in page], next_cursor=next_cursor)


@router.get("/v1/prompts/compare", summary="Compare two prompts", responses=problems(404))
def compare_two_prompts(
    before: Reference, after: Reference, services: TheServices, runs: TheRuns, caller: TheCaller
) -> PromptsComparedOut:
    """What differs between two templates, and between evaluations of them that the caller made.

    Of these, the two with a question in common that differ least in anything else.
    """
    one = services.prompts.get(before, caller.access)
    other = services.prompts.get(after, caller.access)
    evaluated = stored_runs(runs, caller, (one, other))
    return PromptsComparedOut.of(compare_prompts(one, other, evaluated))


@router.get("/v1/prompts/{reference}", summary="Show a prompt", responses=problems(404))
def get_prompt(reference: ReferenceInPath, services: TheServices, caller: TheCaller) -> PromptWhole:
    """A template with its source: `name@version`, or the newest version of `name`."""
    return PromptWhole.of_whole(services.prompts.get(reference, caller.access))


@router.post(
    "/v1/prompts",
    summary="Make a prompt",
    status_code=201,
    responses={
        200: {"description": "Its newest version says the same already.", "model": PromptWhole},
        **problems(409),
    },
)
def create_prompt(
    request: Request,
    body: PromptNew,
    response: Response,
    services: TheServices,
    caller: TheCaller,
) -> PromptWhole:
    """Keep a template as the next version of its name. What is kept is never changed.

    What is wrong with it is told with its line. Refused to a key for some collections.
    """
    stored, is_new = services.prompts.create(body.source, caller)
    note(request, target=stored.template.reference)
    if not is_new:
        response.status_code = 200
    return PromptWhole.of_whole(stored)


@router.post("/v1/prompts/preview", summary="Preview a prompt", responses=problems(404, 503))
def preview_prompt(body: PreviewRequest, services: TheServices, caller: TheCaller) -> PreviewOut:
    """What the model would read for a question, with real passages, and what each part costs."""
    access = narrow(services.collections, caller.access, body.collections)
    options = options_for(services, access, caller=caller, prompt=body.prompt)
    if body.source is not None:
        options = options.with_prompt(read_template(body.source, version=1))
    asked = Previewed(
        body.question, access, body.top_k or services.settings.retrieval.top_k, body.filter
    )
    return PreviewOut.of(preview(services, asked, options))


@router.get(
    "/v1/collections/{name}/prompt", summary="Show a collection's prompt", responses=problems(404)
)
def get_active_prompt(
    name: CollectionInPath, services: TheServices, caller: TheCaller
) -> ActivePromptOut:
    """Which prompt answers from this collection, and which ones did."""
    collection = services.collections.get(name, caller.access)
    return ActivePromptOut.of(services.active_prompts.history(collection.id))


@router.put(
    "/v1/collections/{name}/prompt", summary="Activate a prompt", responses=problems(404, 412)
)
def activate_prompt(
    request: Request,
    name: CollectionInPath,
    body: ActivationIn,
    services: TheServices,
    caller: TheCaller,
    if_match: IfMatch = None,
) -> ActivationOut:
    """Let a prompt answer from this collection from now on, in the version that it has now."""
    collection = services.collections.get(name, caller.access)
    check = matching(if_match, ActivePromptOut.of)
    done = services.active_prompts.activate(collection.id, body.prompt, caller, check=check)
    note(request, target=done.reference)
    return ActivationOut.of(done)


@router.post(
    "/v1/collections/{name}/prompt/rollback",
    summary="Roll a prompt back",
    responses=problems(404, 409),
)
def roll_back_prompt(
    request: Request, name: CollectionInPath, services: TheServices, caller: TheCaller
) -> ActivationOut:
    """Go back to the prompt that was active before; again, to the one before that."""
    collection = services.collections.get(name, caller.access)
    done = services.active_prompts.roll_back(collection.id, caller)
    note(request, target=done.reference)
    return ActivationOut.of(done)


@router.get("/v1/examples", summary="List examples", responses=problems())
def list_examples(
    services: TheServices,
    caller: TheCaller,
    state: ExampleState = "candidate",
    cursor: Cursor = None,
) -> ExamplePage:
    """Answers that were judged good or corrected, for somebody to approve; or what was decided.

    They show what others asked: refused to a key for some collections.
    """
    find = partial(services.examples.list, state, caller, cursor=cursor)
    page, next_cursor = find_page(find)
    return ExamplePage(items=[ExampleOut.of(each) for each in page], next_cursor=next_cursor)


@router.put("/v1/examples/{answer_id}", summary="Decide about an example", responses=problems(404))
def decide_example(
    answer_id: str, body: DecisionIn, services: TheServices, caller: TheCaller
) -> ExampleOut:
    """Approve or reject it. An approved one may be shown to the model before questions like it."""
    return ExampleOut.of(services.examples.decide(AnswerId(answer_id), body.state, caller))
