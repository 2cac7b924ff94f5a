"""People and what they may do: accounts, groups, sharing, sign-in, limits, the audit log."""
