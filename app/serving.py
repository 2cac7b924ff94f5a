"""Serve the application until it is told to stop; then drain. Owns the process's signals."""

import socket

import uvicorn
from fastapi import FastAPI

from app.draining import Draining
from app.live_answers import LiveAnswers
from app.metrics import Metrics
from app.processes.siblings import Siblings
from app.processes.taking import Hand, TakingServer
from app.readiness import Readiness
from generation.worker.draining_server import FAREWELL_S, KEEP_ALIVE_S, DrainingServer


def serve(app: FastAPI, listener: socket.socket, *, drain_s: float) -> None:
    """Serve until SIGTERM or SIGINT. From the first on, new work is refused and answers end.

    What has not ended within `drain_s` is cancelled, and told so. A second signal does not wait.
    """
    DrainingServer(_config_of(app), _work_of(app), drain_s=drain_s).run(sockets=[listener])


def serve_handed(app: FastAPI, hand: Hand, *, drain_s: float) -> None:
    """The same with the connections that a front hands over."""
    readiness: Readiness = app.state.readiness
    draining: Draining = app.state.draining
    live: LiveAnswers = app.state.live
    metrics: Metrics = app.state.services.metrics
    app.state.siblings = Siblings(hand.seat)
    TakingServer(
        _config_of(app),
        _work_of(app),
        drain_s=drain_s,
        hand=hand,
        is_ready=lambda: not readiness.missing(),
        # whoever is asked for figures tells those of all
        on_second=lambda: metrics.note_under_way(draining.num_under_way, live.num_running),
    ).run(sockets=[])


def _config_of(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FAREWELL_S,
    )


def _work_of(app: FastAPI) -> "_Work":
    return _Work(app.state.draining, app.state.live)


class _Work:
    """What an application has begun: requests, and answers whose clients may come back."""

    def __init__(self, draining: Draining, live: LiveAnswers) -> None:
        self._draining = draining
        self._live = live

    @property
    def num_under_way(self) -> int:
        return self._draining.num_under_way + self._live.num_running

    def drain(self) -> None:
        self._draining.begin()

    def close(self) -> None:
        self._live.stop()
