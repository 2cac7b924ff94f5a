"""Prove that caches and disk agree with the truth. Reports everything; mends only if asked."""

from core.verify.report import Finding, VerifyReport
from core.verify.run import Premises, verify

__all__ = ["Finding", "Premises", "VerifyReport", "verify"]
