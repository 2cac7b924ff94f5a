"""Webhooks: other services are told of documents and jobs, signed, until they have heard.

Events are queued where they happen (`core.events`); `delivering` takes them from there, `sending`
sends one to an address that `addresses` has checked, signed by `signing`; `store` keeps it all.
"""
