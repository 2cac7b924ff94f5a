"""A text's vector to a label, or to none where that is not sure. Trains nothing; needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.errors import ClassifierUnusableError

_FORMAT: Final = "cimiento-classifier-1"
_HIDDEN: Final = ("hidden.weight", "hidden.bias")
_OUT: Final = ("out.weight", "out.bias")

Floats = npt.NDArray[np.float32]
Subject = Literal["documents", "questions"]
"""What is labelled: documents as they come in, or questions as they are asked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The likeliest label and its chance, 0 to 1; `is_sure` where it may be acted upon."""

    label: str
    chance: float
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """y = W x + b: weight (outputs, inputs), bias (outputs,)."""

    weight: Floats
    bias: Floats

    def apply(self, x: Floats) -> Floats:
        """x (inputs,) -> (outputs,)."""
        out: Floats = self.weight @ x + self.bias
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A head over the vectors of one embedding model.

    Chances are a softmax of the outputs over `temperature`, which was fitted on texts that were not
    learnt from. Below `threshold` the classifier is not sure.
    """

    name: str
    subject: Subject
    labels: tuple[str, ...]
    embedding_model: str
    temperature: float
    threshold: float
    hidden: Layer | None  # with a rectifier behind it; None: linear
    out: Layer

    def classify(self, vector: Floats) -> Verdict:
        """The label of a unit vector (D,)."""
        x = vector.astype(np.float32)
        if self.hidden is not None:
            x = np.maximum(self.hidden.apply(x), 0)
        scores = self.out.apply(x).astype(np.float64) / self.temperature
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        best = int(chances.argmax())
        chance = float(chances[best])
        return Verdict(self.labels[best], chance, is_sure=chance >= self.threshold)


def pool(vectors: npt.NDArray[np.floating]) -> Floats:
    """The vector of a text from those of its N pieces, (N, D) -> (D,): their mean, unit length."""
    mean = vectors.astype(np.float32).mean(axis=0)
    pooled: Floats = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return pooled


def serialise_classifier(classifier: Classifier) -> bytes:
    """The classifier as a safetensors file."""
    tensors = _name_layer(_OUT, classifier.out)
    if classifier.hidden is not None:
        tensors |= _name_layer(_HIDDEN, classifier.hidden)
    facts = {
        "name": classifier.name,
        "subject": classifier.subject,
        "labels": list(classifier.labels),
        "embedding_model": classifier.embedding_model,
        "temperature": classifier.temperature,
        "threshold": classifier.threshold,
    }
    # one entry: of several the format keeps no order, and equal classifiers would differ
    return save(tensors, metadata={_FORMAT: json.dumps(facts)})


def load_classifier(path: Path) -> Classifier:
    """Raises ClassifierUnusableError for a file that is missing, damaged or no classifier."""
    if not path.is_file():
        raise ClassifierUnusableError(f"there is no classifier {path}; correct the path")
    try:
        with safe_open(path, framework="numpy") as file:
            written = file.metadata() or {}
            if _FORMAT not in written:
                raise ClassifierUnusableError(
                    f"{path.name} is no classifier of ours; 'cimiento train classifier' makes one"
                )
            names = file.keys()  # it cannot be iterated over itself
            tensors = {name: file.get_tensor(name) for name in names}
        return _build(json.loads(written[_FORMAT]), tensors)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ClassifierUnusableError(
            f"{path.name} is damaged ({error}); fetch it again"
        ) from error


def _build(facts: dict[str, Any], tensors: Mapping[str, Floats]) -> Classifier:
    labels = tuple(facts.pop("labels"))
    out = _read_layer(_OUT, tensors)
    hidden = _read_layer(_HIDDEN, tensors) if _HIDDEN[0] in tensors else None
    if len(out.bias) != len(labels):
        raise ValueError(f"{len(labels)} labels, {len(out.bias)} outputs")
    return Classifier(labels=labels, hidden=hidden, out=out, **facts)


def _name_layer(names: tuple[str, str], layer: Layer) -> dict[str, Floats]:
    return dict(zip(names, (layer.weight, layer.bias), strict=True))


def _read_layer(names: tuple[str, str], tensors: Mapping[str, Floats]) -> Layer:
    weight, bias = (tensors[name].astype(np.float32) for name in names)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError(f"{names[0]} holds what is not a number")
    return Layer(weight, bias)
