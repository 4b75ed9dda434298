"""A full crawl by taxii2-client, as its documentation shows it. Runs in an environment of its own."""

import json
import sys
import time

from taxii2client.v21 import Collection, as_pages


def main():
    url, certificate, key, ca, per_request = sys.argv[1:]
    collection = Collection(url, cert=(certificate, key), verify=ca)
    begun, own = time.monotonic(), time.process_time()
    pages, objects = 0, 0
    for page in as_pages(collection.get_objects, per_request=int(per_request)):
        pages += 1
        objects += len(page.get("objects", []))
    seconds, cpu = time.monotonic() - begun, time.process_time() - own
    print(json.dumps({"pages": pages, "objects": objects, "seconds": seconds, "client_cpu": cpu}))


if __name__ == "__main__":
    main()
