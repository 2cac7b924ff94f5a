"""Whose turn it is: a fair order over lanes of uploads. One query each; moves nothing."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.tables import JobRow


def next_turn(session: Session, lane: str) -> int:
    """The turn of a job that is queued now, inside the transaction that queues it.

    Lanes take turns: each job of a lane comes one after its predecessor, and the first one of an
    idle lane comes with whatever is next. Ten thousand files of one lane so let every other lane's
    file pass after one of theirs. (Start-time fair queueing, Goyal et al. 1996, all costs alike.)
    """
    queued = select(JobRow.turn).where(JobRow.state == "queued").limit(1)
    first = session.scalar(queued.order_by(JobRow.turn)) or 1
    last = session.scalar(queued.where(JobRow.lane == lane).order_by(JobRow.turn.desc()))
    return first if last is None else max(first, last + 1)
