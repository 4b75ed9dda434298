"""Fills OpenTAXII by its own persistence API. Runs in OpenTAXII's environment."""

import json
import sys
from pathlib import Path

from opentaxii.http import server

TOGETHER = 1000


def main():
    api = server.servers.taxii2.persistence.api
    root = api.add_api_root("Measurements", default=True, is_public=True)
    rights = {"is_public": True, "is_public_write": True}
    feed, pushes = (api.add_collection(str(root.id), title, **rights) for title in ("Feed", "Pushes"))
    objects = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    for at in range(0, len(objects), TOGETHER):
        api.add_objects(str(root.id), str(feed.id), objects[at : at + TOGETHER])
    print(root.id, feed.id, pushes.id)


if __name__ == "__main__":
    main()
