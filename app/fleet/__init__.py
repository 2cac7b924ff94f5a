"""Fleets of workers on a Ray cluster. What imports Ray is in `on_ray`: commands import it late."""
