"""Cortex XSOAR's TAXII 2 feed and its DHS (CISA AIS) feed, on top of taxii2-client.

Their habits: one connection with the certificate, lent to the server object and
then pushed under the API root it picked; that root by the last part of its URL,
else the default; the collection by its title; pages of 100; type filters as a
list to which `relationship` is added; added_after in whole seconds, and after
the first fetch the `modified` of the last object instead of any date of adding;
a page without objects ends the walk; Content-Type on GET.
"""

from datetime import datetime, timedelta, timezone
from math import ceil

import pytest
from corpus import in_order, indicator, indicators, malware, marked, relationship
from taxii2client.common import _HTTPConnection
from taxii2client.v21 import Server, as_pages
from wire import TAXII

LIMIT_PER_REQUEST = 100


class FeedClient:
    """The feed's requests, in its order."""

    def __init__(self, member, title, default_api_root=None, objects_to_fetch=()):
        connection = _HTTPConnection(version="2.1", **member.tls)
        connection.session.headers["Content-Type"] = TAXII
        server = Server(member.discovery, conn=connection)
        by_name = {str(root.url).split("/")[-2]: root for root in server.api_roots}
        root = by_name[default_api_root] if default_api_root else server.default
        root._conn = connection
        (self.collection,) = [found for found in root.collections if found.title == title]
        self.types = list(objects_to_fetch)
        if len(self.types) > 1 and "relationship" not in self.types:
            self.types.append("relationship")

    def poll_collection(self, added_after):
        """Every object of every envelope, until one has none."""
        filters = {"added_after": added_after}
        if self.types:
            filters["type"] = self.types
        objects = []
        pages = as_pages(self.collection.get_objects, per_request=LIMIT_PER_REQUEST, **filters)
        for envelope in pages:
            if not envelope.get("objects"):
                break
            objects += envelope["objects"]
        return objects


def a_day_ago():
    return datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=24)


@pytest.mark.parametrize("default_api_root", ["cert", None])
def test_a_first_fetch_brings_every_object_once(feed, wire, default_api_root):
    visible = indicators(250)
    hidden = indicators(125, **marked("amber"))
    push = [found for n in range(125) for found in (visible[2 * n], visible[2 * n + 1], hidden[n])]
    feed.producer.push(feed.id, push)
    wire.take()

    client = FeedClient(feed.reader, feed.title, default_api_root)
    assert in_order(client.poll_collection(a_day_ago())) == in_order(visible)
    asked = wire.take()
    assert len(asked) == 2 + ceil(250 / LIMIT_PER_REQUEST)
    assert all(exchange.request.headers["Content-Type"] == TAXII for exchange in asked)
    assert "." not in asked[2].request.url.split("added_after=")[1].split("&")[0]


def test_relationships_come_with_the_types_asked_for(feed, wire):
    first, second = indicator("first"), indicator("second")
    tool, other = malware("BeaverTail"), malware("InvisibleFerret")
    links = [relationship(first, "indicates", tool), relationship(second, "indicates", other)]
    feed.producer.push(feed.id, [first, tool, links[0], second, other, links[1]])
    client = FeedClient(feed.reader, feed.title, objects_to_fetch=["indicator", "report"])
    wire.take()
    found = client.poll_collection(a_day_ago())
    assert in_order(found) == in_order([first, second, *links])
    assert len(wire.take()) == 1


def test_a_fetch_with_nothing_new_is_one_request(feed, wire):
    feed.producer.push(feed.id, indicators(5))
    client = FeedClient(feed.reader, feed.title)
    wire.take()
    assert client.poll_collection(a_day_ago() + timedelta(hours=48)) == []
    assert len(wire.take()) == 1


@pytest.mark.parametrize(
    "modified",
    ["2024-05-01T09:00:00Z", "2024-05-01T09:00:00.5Z", "2024-05-01T09:00:00.123456Z"],
)
def test_the_next_fetch_goes_on_from_an_objects_own_date(feed, wire, modified):
    """The feed confuses `modified` with the date of adding, and reads everything again that was
    added after it: much, but each object once, and all that is new."""
    earlier, later = indicators(150), indicators(20)
    feed.producer.push(feed.id, earlier)
    client = FeedClient(feed.reader, feed.title)
    assert in_order(client.poll_collection(a_day_ago())) == in_order(earlier)
    feed.producer.push(feed.id, later)
    wire.take()
    assert in_order(client.poll_collection(modified)) == in_order(earlier + later)
    assert len(wire.take()) == ceil(170 / LIMIT_PER_REQUEST)
