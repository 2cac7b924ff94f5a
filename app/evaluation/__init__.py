"""How good the service is on an owner's own questions: ask, judge, compare, show."""
