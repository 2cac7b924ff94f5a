"""Several processes that serve one address: a front hands connections out, each serves its own."""
