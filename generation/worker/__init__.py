"""The engine behind HTTP, in the protocol that OpenAI's clients speak. Knows no documents.

A request's life: `gate` lets it in (host, key, size), `routes` reads its body by `schemas`,
`asking` turns that into a `CompletionRequest`, `replies` shapes what comes of it, `sending` sends
it for as long as the client listens, and `metrics` counts. `state` holds the model and says whether
it is loading, ready or draining; `serving` runs it all until it is told to stop.
"""
