"""What is asked of both: of Entente by its URLs, of nginx as a file with the same bytes."""

import json
import random
from dataclasses import dataclass
from urllib.parse import quote

from servers import Asking

EPOCH = "1970-01-01T00:00:00"
# Pages of another place have other objects, of other lengths.
ABOUT = 0.05
# Places in the order that deep pages begin at, and ids that are asked for.
SAMPLE = 60_000


@dataclass(frozen=True)
class Work:
    """One kind of request.

    `targets` are asked for in turn; where there are many, none is asked for twice, so that no
    answer can come from a cache. `like` names the file of nginx that it is held against, and
    `outcome` is what an answer must be to count. `differs` is by which part the octets of an answer
    may differ from those of the file, on the average; None: they are others.
    """

    key: str
    title: str
    targets: list
    like: str
    headers: tuple = ()
    outcome: str = "200"
    differs: float | None = 0.0

    def part(self, number, parts):
        """The targets of one round of several."""
        if len(self.targets) < parts:
            return self.targets
        size = len(self.targets) // parts
        return self.targets[number * size : (number + 1) * size]


@dataclass(frozen=True)
class Facts:
    """What a server told of its collection."""

    last: str
    dates: list
    ids: list
    etag: str
    bodies: dict
    # How many objects it gives out, in their latest versions.
    count: int


def look(server, client):
    """Asks a server for what the works need to know; walks its manifest once."""
    objects, manifest = server.objects(server.feed), server.manifest(server.feed)
    pages = {
        "page100": f"{objects}?limit=100",
        "page1000": f"{objects}?limit=1000",
        "filtered": f"{objects}?match[type]=indicator&limit=100",
        "manifest": f"{manifest}?limit=100",
    }
    with Asking(server.process.port, client.context()) as asking:
        bodies = {name: asking.get(path)[2] for name, path in pages.items()}
        etag = asking.get(pages["page100"])[1].get("ETag")
        dates, ids = [], []
        path = f"{manifest}?limit=1000"
        while path:
            page = json.loads(asking.get(path)[2])
            dates += (record["date_added"] for record in page["objects"])
            ids += (record["id"] for record in page["objects"])
            path = f"{manifest}?limit=1000&next={quote(page['next'])}" if page.get("more") else None
        last, count = dates[-1], len(ids)
        # Always the same choice. The end is left out: pages are full.
        choice = random.Random(1)
        dates = dates[: -len(dates) // 10]
        dates = choice.sample(dates, min(SAMPLE, len(dates)))
        ids = choice.sample(ids, min(SAMPLE, len(ids)))
        bodies["empty"] = asking.get(f"{objects}?added_after={last}")[2]
        bodies["object"] = _typical(asking, [f"{objects}{id}/" for id in ids])
        bodies["deep100"] = _typical(asking, _after(pages["page100"], dates))
        bodies["deep1000"] = _typical(asking, _after(pages["page1000"], dates))
        bodies["filtered_deep"] = _typical(asking, _after(pages["filtered"], dates))
        bodies["manifest_deep"] = _typical(asking, _after(pages["manifest"], dates))
    return Facts(last, dates, ids, etag, bodies, count)


def _typical(asking, targets):
    """Of some answers, the one of middling length."""
    answers = sorted((asking.get(target)[2] for target in targets[:25]), key=len)
    return answers[len(answers) // 2]


def works(server, facts):
    """All kinds of reading."""
    objects, manifest = server.objects(server.feed), server.manifest(server.feed)
    typed = f"{objects}?match[type]=indicator&limit=100"
    # Before the first object, each at another microsecond: the same page, and never the same request.
    before = [f"{EPOCH}.{n:06}Z" for n in range(1, 100_000)]
    page, large = f"{objects}?limit=100", f"{objects}?limit=1000"
    gzip, zstd = ("Accept-Encoding: gzip",), ("Accept-Encoding: zstd",)
    same = (f"If-None-Match: {facts.etag}",)
    return [
        Work("page100", "first page of 100", [page], "page100"),
        Work("page1000", "first page of 1000", [large], "page1000"),
        Work("first100", "first page of 100, assembled", _after(page, before), "page100"),
        Work("first1000", "first page of 1000, assembled", _after(large, before), "page1000"),
        Work("deep100", "deep page of 100, assembled", _after(page, facts.dates), "deep100", differs=ABOUT),
        Work("deep1000", "deep page of 1000, assembled", _after(large, facts.dates), "deep1000", differs=ABOUT),
        Work("filtered", "`match[type]` page of 100", [typed], "filtered"),
        Work(
            "filtered_deep",
            "the same, deep, assembled",
            _after(typed, facts.dates),
            "filtered_deep",
            differs=ABOUT,
        ),
        Work("manifest", "manifest page of 100", [f"{manifest}?limit=100"], "manifest"),
        Work(
            "manifest_deep",
            "the same, deep, assembled",
            _after(f"{manifest}?limit=100", facts.dates),
            "manifest_deep",
            differs=ABOUT,
        ),
        Work("empty", "empty poll", [f"{objects}?added_after={facts.last}"], "empty"),
        Work("304", "304", [page], "empty", same, "304", None),
        Work("gzip100", "page of 100, gzip", [page], "page100", gzip, "200 gzip", None),
        Work("gzip1000", "page of 1000, gzip", [large], "page1000", gzip, "200 gzip", None),
        Work("zstd100", "page of 100, zstd", [page], "page100", zstd, "200 zstd", None),
        Work("zstd1000", "page of 1000, zstd", [large], "page1000", zstd, "200 zstd", None),
        Work("object", "object by id", [f"{objects}{id}/" for id in facts.ids], "object", differs=3 * ABOUT),
    ]


def _after(target, dates):
    return [f"{target}&added_after={date}" for date in dates]
