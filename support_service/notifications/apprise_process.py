"""Says one message by Apprise, as a process of its own: {"url", "title", "body"} on standard input, an exit code out.

Apart, because it loads a hundred services, bounds the time of no message, and quotes addresses in what it logs.
"""

import json
import logging
import sys
from importlib import import_module
from typing import Any

TAKEN, NOT_TAKEN, UNKNOWN_URL = 0, 3, 4


def main() -> int:
    """Say what standard input holds."""
    logging.disable()
    told = json.load(sys.stdin)
    apprise: Any = import_module("apprise")
    asset = apprise.AppriseAsset(app_id="Support", async_mode=False, storage_mode="memory", plugin_paths=[])
    channel = apprise.Apprise(asset=asset)
    if not channel.add(told["url"]):
        return UNKNOWN_URL
    return TAKEN if channel.notify(title=told["title"], body=told["body"], body_format="text") else NOT_TAKEN


if __name__ == "__main__":
    sys.exit(main())
