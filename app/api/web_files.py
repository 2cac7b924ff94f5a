"""The built files of the web application. Sends what the build compressed; compresses nothing."""

import mimetypes
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.errors import WebNotBuiltError

# Names below assets/ carry a hash or a version: what is under them never changes.
_FOREVER: Final = "public, max-age=31536000, immutable"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


class WebFiles(StaticFiles):
    """Static files that `make web` builds. Raises `WebNotBuiltError` where it has not."""

    def __init__(self, root: Path) -> None:
        super().__init__(directory=root, check_dir=False)
        self._root = root

    async def check_config(self) -> None:
        """Refuse to serve out of nothing."""
        if not self._root.is_dir():
            raise WebNotBuiltError("the web application has not been built; run 'make web'")

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file, in the smallest form that the browser takes."""
        encoding, suffix = self._form_of(path, scope)
        response = await super().get_response(path + suffix, scope)
        if encoding is not None:
            media_type, _ = mimetypes.guess_type(path)
            response.headers["Content-Encoding"] = encoding
            response.headers["Content-Type"] = media_type or "application/octet-stream"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = _FOREVER if path.startswith("assets/") else "no-cache"
        return response

    def _form_of(self, path: str, scope: Scope) -> tuple[str | None, str]:
        accepted = Headers(scope=scope).get("accept-encoding", "")
        taken = {part.partition(";")[0].strip() for part in accepted.split(",")}
        for encoding, suffix in _ENCODINGS:
            if encoding in taken and self.lookup_path(path + suffix)[1] is not None:
                return encoding, suffix
        return None, ""
