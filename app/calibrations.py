"""Confidence fitted to a collection's own questions: kept, found, applied. Fits nothing."""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import delete

from core.access import Access
from core.calibration_tables import CalibrationRow
from core.database import Database
from core.ids import CollectionId
from core.tables import now
from generation.answer import AnswerOptions
from generation.confidence import BUILT_IN, Calibration, Weights

_INTERCEPT: Final = "intercept"
# enough of the questions' hash to tell two calibrations apart
_NAME_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """Weights and a threshold, and the questions that they were fitted to."""

    weights: Weights
    min_confidence: float
    num_questions: int
    questions_sha256: str


class Calibrations:
    """Every query on calibrations, for one embedding model."""

    def __init__(self, database: Database, embedding_model: str) -> None:
        self._database = database
        self._embedding_model = embedding_model

    def store(self, collection_id: CollectionId, calibration: StoredCalibration) -> None:
        """Keep it, in place of an earlier one."""
        weights = {_INTERCEPT: calibration.weights.intercept, **calibration.weights.by_field}
        with self._database.session_scope() as session:
            session.merge(
                CalibrationRow(
                    collection_id=collection_id,
                    embedding_model=self._embedding_model,
                    weights=weights,
                    min_confidence=calibration.min_confidence,
                    num_questions=calibration.num_questions,
                    questions_sha256=calibration.questions_sha256,
                    created_at=now(),
                )
            )

    def remove(self, collection_id: CollectionId) -> bool:
        """Forget it; whether there was one."""
        with self._database.session_scope() as session:
            done = session.execute(
                delete(CalibrationRow).where(CalibrationRow.collection_id == collection_id)
            )
            return bool(getattr(done, "rowcount", 0))

    def find(self, collection_id: CollectionId) -> StoredCalibration | None:
        """What was kept, unless it is of another embedding model."""
        with self._database.read_scope() as session:
            row = session.get(CalibrationRow, collection_id)
            if row is None or row.embedding_model != self._embedding_model:
                return None
            by_field = {name: float(value) for name, value in row.weights.items()}
            return StoredCalibration(
                Weights(by_field.pop(_INTERCEPT), by_field),
                row.min_confidence,
                row.num_questions,
                row.questions_sha256,
            )

    def applied(self, options: AnswerOptions, access: Access) -> AnswerOptions:
        """The options with what is known of the collection, where only one is asked.

        Several may be calibrated in different ways; then the built-in calibration decides.
        """
        if access.collection_ids is None or len(access.collection_ids) != 1:
            return options
        found = self.find(next(iter(access.collection_ids)))
        if found is None:
            return options
        name = found.questions_sha256[:_NAME_CHARS]
        # an owner's questions are too few to be parted by language
        within = dict.fromkeys(BUILT_IN.within, found.weights)
        calibration = Calibration(within, found.weights, name=name)
        return replace(options, calibration=calibration, min_confidence=found.min_confidence)
