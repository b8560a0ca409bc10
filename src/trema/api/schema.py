"""``python -m trema.api.schema``: the OpenAPI document, from which TypeScript types are made."""

from __future__ import annotations

import json

from trema.api.app import create_app
from trema.api.settings import Settings


def document() -> str:
    """The OpenAPI document as JSON with sorted keys."""
    app = create_app(Settings(url="sqlite://"))
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(document(), end="")
