"""Routes of webhooks: addresses of other services that are told of documents and jobs."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field, HttpUrl, StringConstraints, ValidationError

from app.access import CallerAccess, note
from app.api.common import Cursor, TheServices, find_page, problems
from app.api.fields import CLEAN, CollectionName, Reply
from app.api.fields import Request as Body
from app.webhooks.store import Delivery, DeliveryState, Webhook
from core.events import EVENTS, EventName

router = APIRouter(tags=["webhooks"])


def _checked(url: str) -> str:
    """The address as it will be asked: ASCII, and without a name and password in it."""
    try:
        parsed = HttpUrl(url)
    except ValidationError:
        # its own message repeats what was sent
        raise ValueError("must be the http or https address of a service") from None
    if parsed.username or parsed.password:
        raise ValueError("must hold no name and no password")
    return str(parsed)


class WebhookNew(Body):
    """A webhook to be made."""

    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_checked)] = Field(
        examples=["https://hooks.example.org/cimiento"]
    )
    events: Annotated[list[EventName], Field(min_length=1)] = Field(
        default=list(EVENTS), description="By default all there are."
    )
    collection: CollectionName | None = Field(
        default=None, description="Tell of this collection alone; by default of all."
    )
    description: Annotated[str, StringConstraints(max_length=200), CLEAN] = ""


class WebhookChange(Body):
    """What of a webhook is to change."""

    is_enabled: bool


class WebhookOut(Reply):
    """A webhook as it may be shown."""

    id: str
    url: str
    events: list[str]
    collection: str | None = Field(description="Null: all of them. An id where it was deleted.")
    description: str
    is_enabled: bool
    created_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """From the room's own data."""
        return cls(
            id=webhook.id,
            url=webhook.url,
            events=list(webhook.events),
            collection=webhook.collection,
            description=webhook.description,
            is_enabled=webhook.is_enabled,
            created_at=webhook.created_at,
        )


class WebhookMade(WebhookOut):
    """A webhook that was just made."""

    secret: str = Field(description="What its messages are signed with. Never shown again.")


class WebhookPage(Reply):
    """Every webhook, the oldest first."""

    items: list[WebhookOut]
    next_cursor: str | None = None


class DeliveryOut(Reply):
    """A message to a webhook."""

    id: str = Field(description="Also its header `webhook-id`.")
    event: str
    payload: dict[str, Any] = Field(description="The body that is sent.")
    state: DeliveryState
    attempts: int
    next_at: datetime | None = Field(description="When it is tried next.")
    status: int | None = Field(description="Of the reply to the last try.")
    error: str | None = Field(description="Why there was no reply to the last try.")
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """From the room's own data."""
        return cls(
            id=delivery.id,
            event=delivery.event,
            payload=delivery.payload,
            state=delivery.state,
            attempts=delivery.attempts,
            next_at=delivery.next_at,
            status=delivery.status,
            error=delivery.error,
            created_at=delivery.created_at,
            ended_at=delivery.ended_at,
        )


class DeliveryPage(Reply):
    """Messages to a webhook, the newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


@router.post("/v1/webhooks", summary="Make a webhook", status_code=201, responses=problems(404))
def create_webhook(
    request: Request, body: WebhookNew, services: TheServices, access: CallerAccess
) -> WebhookMade:
    """Tell an address of events from now on. The secret is in this response, and never again.

    Messages follow Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    They hold ids and codes, never a word or the name of a document. An address inside the network
    is asked only where `CIMIENTO_WEBHOOKS__ALLOWED_NETWORKS` says so.
    """
    collection = None
    if body.collection is not None:
        collection = services.collections.get(body.collection, access)
    webhook, secret = services.webhooks.create(
        body.url,
        events=body.events,
        collection_id=None if collection is None else collection.id,
        description=body.description,
    )
    note(request, target=webhook.id, collection=body.collection)
    return WebhookMade(**WebhookOut.of(webhook).model_dump(), secret=secret)


@router.get("/v1/webhooks", summary="List webhooks", responses=problems())
def list_webhooks(services: TheServices) -> WebhookPage:
    """Every webhook, the oldest first; never a secret."""
    return WebhookPage(items=[WebhookOut.of(each) for each in services.webhooks.find_all()])


@router.get("/v1/webhooks/{webhook_id}", summary="Show a webhook", responses=problems(404))
def get_webhook(webhook_id: str, services: TheServices) -> WebhookOut:
    """One of them."""
    return WebhookOut.of(services.webhooks.get(webhook_id))


@router.patch(
    "/v1/webhooks/{webhook_id}", summary="Turn a webhook on or off", responses=problems(404)
)
def change_webhook(webhook_id: str, body: WebhookChange, services: TheServices) -> WebhookOut:
    """While it is off it is told of no event, and what waits goes on waiting.

    A receiver that replies 410 turns its webhook off.
    """
    return WebhookOut.of(services.webhooks.enable(webhook_id, is_enabled=body.is_enabled))


@router.delete(
    "/v1/webhooks/{webhook_id}",
    summary="Delete a webhook",
    status_code=204,
    responses=problems(404),
)
def delete_webhook(webhook_id: str, services: TheServices) -> Response:
    """Forget it, with its messages: what waits is not sent."""
    services.webhooks.delete(webhook_id)
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{webhook_id}/ping",
    summary="Try a webhook",
    status_code=202,
    responses=problems(404),
)
def ping_webhook(webhook_id: str, services: TheServices) -> DeliveryOut:
    """Send it a message of the type `ping`; its deliveries say what came of it."""
    return DeliveryOut.of(services.webhooks.ping(webhook_id))


@router.get(
    "/v1/webhooks/{webhook_id}/deliveries", summary="List deliveries", responses=problems(404)
)
def list_deliveries(webhook_id: str, services: TheServices, cursor: Cursor = None) -> DeliveryPage:
    """What was and is still to be sent, the newest first; what has ended is kept for 30 days."""
    page, next_cursor = find_page(
        lambda limit: services.webhooks.deliveries(webhook_id, cursor=cursor, limit=limit)
    )
    return DeliveryPage(items=[DeliveryOut.of(each) for each in page], next_cursor=next_cursor)


@router.post(
    "/v1/webhooks/{webhook_id}/deliveries/{message_id}/resend",
    summary="Send again",
    status_code=202,
    responses=problems(404),
)
def resend_delivery(webhook_id: str, message_id: str, services: TheServices) -> DeliveryOut:
    """Send a message anew under its old id, whatever became of it."""
    return DeliveryOut.of(services.webhooks.resend(webhook_id, message_id))
