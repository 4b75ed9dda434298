"""OpenCTI pulling: the external-import connector `taxii2`, and the ingester built in.

The connector sits on taxii2-client and keeps one dictionary of filters for all
its requests. Without credentials it sends Basic `None:None` next to its client
certificate, which is one PEM file with the key in it. On a second page it drops
added_after and sets `next`; `next` then stays, for the next collection and the
next run. It takes the STIX version of a whole collection from its first object,
and where that object has no spec_version it walks by the manifest instead.

The ingester asks for one page per run. It keeps `next` between runs, repeats
the unchanged added_after with it, and on the last page goes on from
X-TAXII-Date-Added-Last, cut to milliseconds. An empty page changes nothing.
"""

from datetime import datetime, timedelta, timezone
from math import ceil

import pytest
from corpus import in_order, indicators, ipv4, marked
from requests import HTTPError
from requests.auth import HTTPBasicAuth
from taxii2client.v21 import Server
from wire import LAST, TAXII

PAGE_SIZE = 25


# ------------------------------------------------------------- the connector


class Connector:
    """The connector's requests, in its order."""

    def __init__(self, member, tmp_path, limit=None):
        pem = tmp_path / f"{member.name}-for-connector.pem"
        pem.write_text(member.certificate.read_text() + member.key.read_text())
        self.server = Server(
            member.discovery,
            auth=HTTPBasicAuth("None", "None"),
            cert=str(pem),
            verify=member.tls["verify"],
        )
        self.filters = {"limit": limit} if limit else {}

    def run(self, root_name, titles, added_after):
        """One scheduled run over the configured collections."""
        self.filters["added_after"] = added_after
        (root,) = [root for root in self.server.api_roots if root.url.split("/")[-2] == root_name]
        objects = []
        for title in titles:
            (collection,) = [found for found in root.collections if found.title == title]
            objects += self.poll(collection)
        return objects

    def poll(self, collection):
        page = collection.get_objects(**self.filters)
        if not page.get("objects"):
            return []
        if page["objects"][0].get("spec_version", "2.0") == "2.0":
            return self.poll_by_manifest(collection, page)
        objects = []
        while True:
            objects += page["objects"]
            if not page.get("more"):
                return objects
            assert "next" in page, "the connector would append this page for ever"
            self.filters.pop("added_after", None)
            self.filters["next"] = page["next"]
            page = collection.get_objects(**self.filters)

    def poll_by_manifest(self, collection, page):
        objects = []
        while page["objects"]:
            objects += page["objects"]
            manifest = collection.get_manifest(id=page["objects"][-1]["id"])
            self.filters["added_after"] = manifest["objects"][0]["date_added"]
            page = collection.get_objects(**self.filters)
        return objects


def a_day_ago():
    """The connector's first added_after: a local time without a zone, down to microseconds."""
    return datetime.now() - timedelta(days=1)


@pytest.mark.settings(page_size=PAGE_SIZE)
@pytest.mark.parametrize("limit", [None, 10])
def test_a_first_run_brings_every_object_once(feed, wire, tmp_path, limit):
    visible = indicators(60)
    feed.producer.push(feed.id, [*visible[:30], *indicators(30, **marked("amber")), *visible[30:]])
    wire.take()

    connector = Connector(feed.reader, tmp_path, limit)
    assert in_order(connector.run("cert", [feed.title], a_day_ago())) == in_order(visible)

    asked = [exchange.request for exchange in wire.take()]
    pages = [request for request in asked if "/objects/" in request.url]
    assert len(asked) == 2 + len(pages)
    assert len(pages) == ceil(60 / (limit or PAGE_SIZE))
    assert all(request.headers["Authorization"] == "Basic Tm9uZTpOb25l" for request in asked)
    assert "added_after" in pages[0].url and "next" not in pages[0].url
    assert all("added_after" not in page.url and "next" in page.url for page in pages[1:])


def test_a_run_with_nothing_new_ends_at_once(feed, wire, tmp_path):
    feed.producer.push(feed.id, indicators(5))
    wire.take()
    tomorrow = datetime.now() + timedelta(days=1)
    assert Connector(feed.reader, tmp_path).run("cert", [feed.title], tomorrow) == []
    assert len(wire.take()) == 3


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_the_next_run_goes_on_although_it_still_carries_the_old_cursor(feed, wire, tmp_path):
    """The new added_after comes with the `next` of the last run: the cursor counts, and with it
    the last page is read once more and nothing is lost."""
    later = indicators(40)
    feed.producer.push(feed.id, indicators(60))
    connector = Connector(feed.reader, tmp_path)
    earlier = connector.run("cert", [feed.title], a_day_ago())
    feed.producer.push(feed.id, later)
    wire.take()

    last_run = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}.000000Z"
    objects = connector.run("cert", [feed.title], last_run)
    last_page = earlier[2 * PAGE_SIZE :]
    assert in_order(objects) == in_order(last_page + later)
    assert len(wire.take()) == ceil(len(objects) / PAGE_SIZE)


def two_collections(alliance):
    root = alliance.root()
    titles = ["Campaigns", "Indicators"]
    ids = [alliance.collection(title, root) for title in titles]
    producer, reader = alliance.member("producer"), alliance.member("reader")
    for collection in ids:
        alliance.grant(producer, collection, "--write", "--relay", "--read", "green")
        alliance.grant(reader, collection, "--read", "green")
    alliance.serve()
    return titles, ids, producer, reader


def test_one_connector_reads_several_collections_of_one_page(alliance, wire, tmp_path):
    titles, ids, producer, reader = two_collections(alliance)
    objects = indicators(20)
    producer.push(ids[0], objects[:10])
    producer.push(ids[1], objects[10:])
    wire.take()
    found = Connector(reader, tmp_path).run("cert", titles, a_day_ago())
    assert in_order(found) == in_order(objects)
    assert len(wire.take()) == 4


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_a_cursor_kept_for_the_next_collection_is_refused_by_name(alliance, wire, tmp_path):
    """Silence would be worse: pages of the first collection, or the second begun again for ever."""
    titles, ids, producer, reader = two_collections(alliance)
    for collection in ids:
        producer.push(collection, indicators(60))
    connector = Connector(reader, tmp_path)
    wire.take()

    with pytest.raises(HTTPError) as refused:
        connector.run("cert", titles, a_day_ago())
    assert refused.value.response.status_code == 400
    assert "next" in refused.value.response.text
    assert "indicator--" not in refused.value.response.text
    assert len(wire.take()) == 2 + 3 + 1


@pytest.mark.settings(page_size=10, empty_objects=True)
def test_a_collection_that_opens_with_an_observable_is_walked_by_its_manifest(feed, wire, tmp_path):
    """The connector takes a first object without spec_version for STIX 2.0 and indexes `objects`
    on the empty page, hence the server's setting `empty_objects`."""
    objects = [ipv4(f"198.51.100.{n}") for n in range(25)]
    feed.producer.push(feed.id, objects)
    wire.take()
    found = Connector(feed.reader, tmp_path).run("cert", [feed.title], a_day_ago())
    assert in_order(found) == in_order(objects)
    assert len(wire.take()) == 2 + 4 + 3


# --------------------------------------------------------------- the ingester


class Ingester:
    """The built-in ingester: one GET per run, and the state that it stores between runs."""

    def __init__(self, member, collection, added_after=None):
        self.session = member.session()
        self.session.headers["Accept"] = TAXII
        self.point_at(member, collection)
        self.added_after = added_after
        self.next = None

    def point_at(self, member, collection):
        self.url = member.objects(collection)

    def run(self):
        answer = self.session.get(
            self.url, params={"next": self.next, "added_after": self.added_after}
        )
        answer.raise_for_status()
        page = answer.json()
        objects = page.get("objects", [])
        if objects and page.get("more") and page.get("next"):
            self.next = page["next"]
        elif objects:
            self.next = None
            self.added_after = to_milliseconds(answer.headers[LAST])
        return objects

    def run_until_idle(self, most_runs):
        objects = []
        for _ in range(most_runs):
            found = self.run()
            if not found:
                return objects
            objects += found
        raise AssertionError(f"not idle after {most_runs} runs")


def to_milliseconds(timestamp):
    """What a JavaScript Date keeps of it."""
    return timestamp[: len("2024-05-01T09:00:00.000")] + "Z"


@pytest.mark.settings(page_size=PAGE_SIZE)
@pytest.mark.parametrize("added_after", [None, "2020-01-01T00:00:00.000Z"])
def test_a_crawl_survives_a_restart_of_the_server(alliance, feed, wire, added_after):
    visible = indicators(100)
    for start in range(0, 100, 40):
        feed.producer.push(feed.id, visible[start : start + 40] + indicators(10, **marked("red")))
    ingester = Ingester(feed.reader, feed.id, added_after)
    wire.take()

    objects = ingester.run() + ingester.run()
    wire.hang_up()
    alliance.restart()
    ingester.point_at(feed.reader, feed.id)
    objects += ingester.run_until_idle(most_runs=3)
    assert in_order(objects) == in_order(visible)
    assert len(wire.take()) == 5


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_a_cursor_cut_to_milliseconds_neither_loses_nor_repeats(feed, wire):
    """Pushes of all sizes around the page's, each ending in objects that the reader may not see."""
    ingester = Ingester(feed.reader, feed.id)
    for size in (1, 2, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE, 1):
        visible = indicators(size)
        feed.producer.push(feed.id, visible + indicators(3, **marked("amber")))
        wire.take()
        runs = ceil(size / PAGE_SIZE) + 1
        assert in_order(ingester.run_until_idle(most_runs=runs)) == in_order(visible)
        assert len(wire.take()) == runs


def test_pushes_in_quick_succession_are_told_apart_by_the_millisecond(feed, wire):
    ingester = Ingester(feed.reader, feed.id)
    pushed, found = [], []
    for _ in range(40):
        (single,) = indicators(1)
        pushed.append(single)
        feed.producer.push(feed.id, [single])
        found += ingester.run()
    assert in_order(found) == in_order(pushed)
    assert ingester.run() == []
    assert len(wire.take()) == 81


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_a_cursor_whose_rest_was_deleted_delivers_what_comes_later(feed, wire):
    """An empty page leaves the ingester on the same `next` for good: it must stay worth asking."""
    kept, dropped, later = indicators(PAGE_SIZE), indicators(5), indicators(5)
    feed.producer.push(feed.id, kept)
    feed.producer.push(feed.id, dropped)
    ingester = Ingester(feed.reader, feed.id)
    assert in_order(ingester.run()) == in_order(kept)

    with feed.producer.session() as owner:
        owner.headers["Accept"] = TAXII
        for gone in dropped:
            owner.delete(f"{feed.producer.objects(feed.id)}{gone['id']}/").raise_for_status()
    assert ingester.run() == []
    feed.producer.push(feed.id, later)
    assert in_order(ingester.run()) == in_order(later)
    assert ingester.run() == []
    assert len(wire.take()) == 3 + len(dropped) + 4


@pytest.mark.parametrize("accept", ["application/json, text/plain, */*", "*/*"])
def test_older_ingesters_ask_for_anything(feed, wire, accept):
    """Before it named TAXII the ingester sent the default Accept of its HTTP library."""
    objects = indicators(3)
    feed.producer.push(feed.id, objects)
    ingester = Ingester(feed.reader, feed.id)
    ingester.session.headers["Accept"] = accept
    assert in_order(ingester.run()) == in_order(objects)
    assert len(wire.take()) == 2
