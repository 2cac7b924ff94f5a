"""The ground every room stands on: settings, database, ids, errors, shared types, blobs, models."""
