"""Files made to do harm, each with the ends it may come to. Builds bytes; runs nothing.

A file ends as `searchable` or with one of the codes of `docs/reference/errors.md`.
"""

from tests.hostile import office, pdfs, pictures, texts
from tests.hostile.kinds import Hostile

HOSTILE: tuple[Hostile, ...] = (*pdfs.KINDS, *office.KINDS, *texts.KINDS, *pictures.KINDS)
"""The whole set."""
