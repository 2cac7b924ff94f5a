"""What deploys the service, held to the code: Compose, manifests, board, alerts and proxy."""
