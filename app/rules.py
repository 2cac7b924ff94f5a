"""What each route asks of its caller, on one page. Decides nothing: `app.access` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.access import Role, Scope

# What a person can have in the address bar: the web application's page is sent for each. The same
# paths are in app/web/src/lib/router.tsx.
PAGE_PATHS: Final = (
    *("/", "/sign-in", "/chat", "/chat/{conversation_id}", "/answers/{answer_id}"),
    *("/documents", "/documents/{document_id}", "/collections", "/collections/{name}"),
    *("/account", "/people", "/groups", "/audit", "/operations"),
    *("/evaluations", "/evaluations/{evaluation_id}", "/prompts", "/prompts/{reference}"),
    "/examples",
)
# Every route that answers strangers. A route that is not named here asks for credentials,
# whoever wrote it: the application applies `app.access.authenticate` to all of its routes.
PUBLIC_PATHS: Final = frozenset(
    {
        *PAGE_PATHS,
        *("/static", "/health/live", "/health/ready", "/openapi.json"),
        *("/v1/sign-in", "/v1/sign-in/link", "/sign-in/provider", "/sign-in/provider/callback"),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks of its caller, and what the audit log calls it.

    scope: what a key must have been made for; None where any will do.
    role: needed in the collection that the path names, itself or by what belongs to it.
    everywhere: needs an owner of everything.
    by_hand: for people who are signed in; no key will do.
    action: recorded before the response is sent; None records nothing.
    is_read: recorded within a second instead.
    costs: takes tokens, and is refused once those of the day are spent.
    """

    scope: Scope | None = Scope.READ
    role: Role = Role.READER
    everywhere: bool = False
    by_hand: bool = False
    action: str | None = None
    is_read: bool = False
    costs: bool = False


def _edits(action: str) -> Rule:
    return Rule(Scope.WRITE, Role.EDITOR, action=action)


def _owns(action: str | None, *, is_read: bool = False) -> Rule:
    return Rule(Scope.MANAGE, Role.OWNER, action=action, is_read=is_read)


def _people(action: str | None) -> Rule:
    return Rule(Scope.PEOPLE, everywhere=True, action=action)


def _hooks(action: str | None) -> Rule:
    return Rule(Scope.MANAGE, everywhere=True, action=action)


def _reads(action: str) -> Rule:
    return Rule(action=action, is_read=True)


def _asks(action: str) -> Rule:
    return Rule(Scope.ASK, action=action, is_read=True, costs=True)


def _self(action: str | None) -> Rule:
    return Rule(None, by_hand=True, action=action)


_ASK: Final = Rule(Scope.ASK)

RULES: Final[Mapping[tuple[str, str], Rule]] = {
    ("GET", "/v1/version"): Rule(None),
    # of what a model asks for, each tool is decided by the route that it calls
    ("POST", "/mcp"): Rule(None),
    ("GET", "/metrics"): Rule(Scope.METRICS, everywhere=True),
    # collections
    ("GET", "/v1/collections"): Rule(),
    ("POST", "/v1/collections"): Rule(Scope.MANAGE, everywhere=True, action="collection.created"),
    ("GET", "/v1/collections/{name}"): Rule(),
    ("PATCH", "/v1/collections/{name}"): _owns("collection.changed"),
    ("DELETE", "/v1/collections/{name}"): _owns("collection.deleted"),
    ("GET", "/v1/collections/{name}/map"): Rule(),
    ("GET", "/v1/collections/{name}/confidence"): Rule(),
    ("GET", "/v1/collections/{name}/access"): _owns(None),
    ("PUT", "/v1/collections/{name}/access/people/{person}"): _owns("collection.shared"),
    ("DELETE", "/v1/collections/{name}/access/people/{person}"): _owns("collection.unshared"),
    ("PUT", "/v1/collections/{name}/access/groups/{group}"): _owns("collection.shared"),
    ("DELETE", "/v1/collections/{name}/access/groups/{group}"): _owns("collection.unshared"),
    # documents and jobs
    ("POST", "/v1/collections/{name}/documents"): _edits("document.uploaded"),
    ("GET", "/v1/documents"): Rule(),
    ("GET", "/v1/documents/{document_id}"): Rule(),
    ("DELETE", "/v1/documents/{document_id}"): _edits("document.deleted"),
    ("GET", "/v1/documents/{document_id}/versions"): Rule(),
    ("DELETE", "/v1/documents/{document_id}/versions/{number}"): _edits("document.version_deleted"),
    ("GET", "/v1/documents/{document_id}/content"): _reads("document.read"),
    ("GET", "/v1/documents/{document_id}/text"): _reads("document.read"),
    ("GET", "/v1/documents/{document_id}/labels"): Rule(),
    ("PUT", "/v1/documents/{document_id}/labels/{name}"): _edits("document.labelled"),
    ("DELETE", "/v1/documents/{document_id}/labels/{name}"): _edits("document.label_removed"),
    ("GET", "/v1/jobs"): Rule(),
    ("GET", "/v1/jobs/{job_id}"): Rule(),
    ("GET", "/v1/jobs/{job_id}/events"): Rule(),
    ("POST", "/v1/jobs/{job_id}/retry"): _edits("job.retried"),
    ("DELETE", "/v1/jobs/{job_id}"): _edits("job.cancelled"),
    # search and answers
    ("POST", "/v1/search"): _reads("search"),
    ("POST", "/v1/answer"): _asks("answer.asked"),
    ("GET", "/v1/answers/{answer_id}"): _ASK,
    ("DELETE", "/v1/answers/{answer_id}"): Rule(Scope.ASK, action="answer.deleted"),
    ("PUT", "/v1/answers/{answer_id}/share"): Rule(Scope.ASK, action="answer.shared"),
    ("DELETE", "/v1/answers/{answer_id}/share"): Rule(Scope.ASK, action="answer.unshared"),
    ("POST", "/v1/answers/{answer_id}/cancel"): _ASK,
    ("GET", "/v1/answers/{answer_id}/events"): _ASK,
    ("POST", "/v1/answers/{answer_id}/feedback"): _ASK,
    ("POST", "/v1/answers/{answer_id}/replay"): _asks("answer.replayed"),
    # the same as OpenAI's protocol has it
    ("GET", "/v1/models"): Rule(),
    ("GET", "/v1/models/{model:path}"): Rule(),
    ("POST", "/v1/chat/completions"): _asks("answer.asked"),
    ("POST", "/v1/responses"): _asks("answer.asked"),
    ("POST", "/v1/embeddings"): _asks("texts.embedded"),
    ("GET", "/v1/conversations"): _ASK,
    ("POST", "/v1/conversations"): _ASK,
    ("GET", "/v1/conversations/{conversation_id}"): _ASK,
    ("PATCH", "/v1/conversations/{conversation_id}"): _ASK,
    ("DELETE", "/v1/conversations/{conversation_id}"): Rule(
        Scope.ASK, action="conversation.deleted"
    ),
    ("GET", "/v1/operations"): Rule(Scope.MANAGE, everywhere=True),
    # prompts
    ("GET", "/v1/prompts"): Rule(),
    ("POST", "/v1/prompts"): Rule(Scope.MANAGE, everywhere=True, action="prompt.created"),
    ("GET", "/v1/prompts/compare"): Rule(),
    ("GET", "/v1/prompts/{reference}"): Rule(),
    ("POST", "/v1/prompts/preview"): _reads("prompt.previewed"),
    ("GET", "/v1/collections/{name}/prompt"): Rule(),
    ("PUT", "/v1/collections/{name}/prompt"): _owns("prompt.activated"),
    ("POST", "/v1/collections/{name}/prompt/rollback"): _owns("prompt.rolled_back"),
    # adapters
    ("GET", "/v1/adapters"): Rule(),
    ("GET", "/v1/collections/{name}/adapter"): Rule(),
    ("PUT", "/v1/collections/{name}/adapter"): _owns("adapter.activated"),
    ("POST", "/v1/collections/{name}/adapter/rollback"): _owns("adapter.rolled_back"),
    ("GET", "/v1/examples"): Rule(Scope.MANAGE, everywhere=True),
    ("PUT", "/v1/examples/{answer_id}"): Rule(
        Scope.MANAGE, everywhere=True, action="example.decided"
    ),
    # evaluations
    ("GET", "/v1/evaluations"): _ASK,
    ("POST", "/v1/evaluations"): _asks("evaluation.started"),
    ("GET", "/v1/evaluations/{evaluation_id}"): _ASK,
    ("DELETE", "/v1/evaluations/{evaluation_id}"): Rule(Scope.ASK, action="evaluation.deleted"),
    ("GET", "/v1/evaluations/{evaluation_id}/report"): _ASK,
    ("GET", "/v1/evaluations/{evaluation_id}/questions"): _ASK,
    ("GET", "/v1/evaluations/{evaluation_id}/comparison"): _ASK,
    ("POST", "/v1/evaluations/{evaluation_id}/cancel"): _ASK,
    # oneself
    ("GET", "/v1/me"): Rule(None),
    ("PATCH", "/v1/me"): _self("person.changed"),
    ("POST", "/v1/me/password"): _self("password.changed"),
    ("GET", "/v1/me/sessions"): _self(None),
    ("DELETE", "/v1/me/sessions"): _self("sessions.ended"),
    ("POST", "/sign-out"): _self("signed_out"),
    ("GET", "/v1/keys"): Rule(Scope.PEOPLE),
    ("POST", "/v1/keys"): _self("key.created"),
    ("DELETE", "/v1/keys/{key_id}"): Rule(Scope.PEOPLE, action="key.revoked"),
    # people
    ("GET", "/v1/people"): _people(None),
    ("POST", "/v1/people"): _people("person.invited"),
    ("GET", "/v1/people/{person}"): _people(None),
    ("PATCH", "/v1/people/{person}"): _people("person.changed"),
    ("DELETE", "/v1/people/{person}"): _people("person.deleted"),
    ("POST", "/v1/people/{person}/link"): _people("person.link_made"),
    ("DELETE", "/v1/people/{person}/sessions"): _people("sessions.ended"),
    ("GET", "/v1/groups"): _people(None),
    ("POST", "/v1/groups"): _people("group.created"),
    ("DELETE", "/v1/groups/{group}"): _people("group.deleted"),
    ("PUT", "/v1/groups/{group}/members/{person}"): _people("group.joined"),
    ("DELETE", "/v1/groups/{group}/members/{person}"): _people("group.left"),
    ("GET", "/v1/audit"): _people(None),
    # webhooks
    ("GET", "/v1/webhooks"): _hooks(None),
    ("POST", "/v1/webhooks"): _hooks("webhook.created"),
    ("GET", "/v1/webhooks/{webhook_id}"): _hooks(None),
    ("PATCH", "/v1/webhooks/{webhook_id}"): _hooks("webhook.changed"),
    ("DELETE", "/v1/webhooks/{webhook_id}"): _hooks("webhook.deleted"),
    ("POST", "/v1/webhooks/{webhook_id}/ping"): _hooks("webhook.pinged"),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): _hooks(None),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{message_id}/resend"): _hooks("webhook.resent"),
}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def rule_of(method: str, path: str) -> Rule:
    """What a route asks, by its method and its path with parameters.

    One that nobody has thought about yet is for owners of everything, unless it only reads.
    """
    if (found := RULES.get((method, path))) is not None:
        return found
    if method in _SAFE_METHODS:
        return Rule()
    return Rule(Scope.MANAGE, everywhere=True, action=f"{method} {path}"[:64])
