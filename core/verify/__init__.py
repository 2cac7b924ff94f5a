"""Prove that caches and disk agree with the truth. Reports everything; mends only if asked."""

from core.verify.answers import check_answers
from core.verify.evaluations import check_evaluations
from core.verify.examples import check_examples
from core.verify.published import check_published
from core.verify.report import Check, Checked, Finding, VerifyReport
from core.verify.run import GRACE_S, Premises, is_abandoned, verify

__all__ = [
    "GRACE_S",
    "Check",
    "Checked",
    "Finding",
    "Premises",
    "VerifyReport",
    "check_answers",
    "check_evaluations",
    "check_examples",
    "check_published",
    "is_abandoned",
    "verify",
]
