"""Generation workers as a Ray Serve application. The only module that knows Ray Serve.

The settings of a replica are those of the machine it runs on: the environment that `ray start` was
given there. So no key travels through Ray.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from app.fleet.directory import Directory
from app.fleet.errors import FleetFailedError, FleetNotPossibleError
from app.fleet.replica import Replica
from app.wiring import build_local_generator
from core.logs import configure_logs
from core.settings import load_settings

APPLICATION: Final = "cimiento"
_UNDER_WAY: Final = "under_way"
_REPORT_WITHIN_S: Final = 5.0
# beyond what a replica takes to drain, for Serve's own part
_FAREWELL_S: Final = 15.0
# our worker has a queue of its own, and says itself when it is full
_NO_LIMIT: Final = 10_000
_COUNT_EVERY_S: Final = 2.0
_LOOK_BACK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What a fleet may become. `texts_each`: texts under way a worker that it grows to keep to.

    `model`: as of `cimiento worker generate`; None is the one that each machine's settings name.
    """

    model: str | None = None
    min_workers: int = 1
    max_workers: int = 1
    texts_each: float = 4.0
    cpus_each: float = 1.0
    gpus_each: float = 0.0
    shrink_after_s: float = 300.0
    drain_s: float = 30.0


class FleetWorker:
    """What Serve makes of a `Replica`; Serve calls these methods by their names."""

    def __init__(self, directory: DeploymentHandle, model: str | None) -> None:
        settings = load_settings()
        configure_logs(settings.log)
        worker = settings.worker.model_copy(update={"host": ray.util.get_node_ip_address()})
        served = build_local_generator(settings, model)
        self._replica = Replica(served, worker, _ServeReporter(directory))

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The application at Serve's address."""
        return self._replica.door()

    def record_autoscaling_stats(self) -> Mapping[str, float]:
        """What `by_texts_under_way` decides by."""
        return {_UNDER_WAY: float(self._replica.num_under_way)}

    def check_health(self) -> None:
        """Raise where Serve should put another in this one's place."""
        self._replica.check()

    async def __del__(self) -> None:
        await asyncio.to_thread(self._replica.drain)


class _ServeReporter:
    def __init__(self, directory: DeploymentHandle) -> None:
        self._directory = directory

    def report(self, url: str) -> Sequence[str]:
        listed: list[str] = self._directory.report.remote(url).result(timeout_s=_REPORT_WITHIN_S)
        return listed

    def leave(self, url: str) -> None:
        self._directory.leave.remote(url).result(timeout_s=_REPORT_WITHIN_S)


def by_texts_under_way(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """As many workers as keep each at its share of the texts under way, whichever door they took.

    Serve sees only what comes in by its own address. Delays and bounds are Serve's.
    """
    counts = (context.aggregated_metrics or {}).get(_UNDER_WAY, {})
    if not counts:
        return context.target_num_replicas, {}
    return sum(counts.values()) / context.config.get_target_ongoing_requests(), {}


def serve_fleet(options: FleetOptions, *, host: str, port: int) -> None:
    """Start the fleet, or change it to the options; returns once its workers serve.

    What runs is replaced worker by worker, and each ends what it has begun. Raises
    FleetFailedError.
    """
    # it waits a minute for what answers on every machine, which may take longer: `run` waits on
    with suppress(TimeoutError, RayError):
        serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port})
    try:
        serve.run(_application(options), name=APPLICATION, route_prefix="/")
    except (RuntimeError, TimeoutError, RayError, RayServeException) as error:
        raise FleetFailedError(f"the fleet does not come up: {error}") from error


def stop_fleet() -> None:
    """End every worker; each ends what it has begun. Raises FleetNotPossibleError without any."""
    try:
        serve.delete(APPLICATION)
    except RayServeException as error:
        raise FleetNotPossibleError(f"no fleet serves on this cluster ({error})") from error


def _application(options: FleetOptions) -> serve.Application:
    directory = serve.deployment(
        name="directory",
        num_replicas=1,
        max_ongoing_requests=_NO_LIMIT,
        ray_actor_options={"num_cpus": 0},
    )(Directory)
    worker = serve.deployment(
        name="worker",
        autoscaling_config=AutoscalingConfig(
            min_replicas=options.min_workers,
            max_replicas=options.max_workers,
            target_ongoing_requests=options.texts_each,
            metrics_interval_s=_COUNT_EVERY_S,
            look_back_period_s=_LOOK_BACK_S,
            upscale_delay_s=_LOOK_BACK_S,
            downscale_delay_s=options.shrink_after_s,
            policy=AutoscalingPolicy(policy_function=by_texts_under_way),
        ),
        max_ongoing_requests=_NO_LIMIT,
        graceful_shutdown_timeout_s=options.drain_s + _FAREWELL_S,
        ray_actor_options={"num_cpus": options.cpus_each, "num_gpus": options.gpus_each},
    )(serve.ingress()(FleetWorker))
    return worker.bind(directory.bind(), options.model)
