"""Fleets on real Ray clusters of this machine, with the real models: `make test-scale`."""
