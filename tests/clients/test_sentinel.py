"""Microsoft Sentinel's TAXII data connector.

Its source is closed; what is replayed is what its users and its documentation
report: it is configured with an API root URL and a collection id, refuses an id
that is no version-4 UUID and a root that does not list the TAXII 2.1 media type,
asks for pages of a fixed size, and goes on from X-TAXII-Date-Added-Last, both
from page to page and from poll to poll. A header that is missing or tells of
anything but the date of adding makes it take in, and bill, the same objects
again.

It cannot present a client certificate: a relay in front of it adds that, or it comes by
the fallback listener (test_fallback.py).
"""

from math import ceil
from uuid import UUID

import pytest
from corpus import in_order, indicators, marked, newer
from wire import LAST, TAXII

LIMIT = 100


class DataConnector:
    """The connector's requests. `next` is never used."""

    def __init__(self, api_root, collection, session, password="changeme"):
        self.session = session
        self.session.headers["Accept"] = TAXII
        self.session.auth = ("sentinel", password)
        assert TAXII in self._get(api_root)["versions"]
        described = self._get(f"{api_root}collections/{collection}/")
        assert UUID(described["id"]).version == 4 and described["can_read"] is True
        self.objects = f"{api_root}collections/{described['id']}/objects/"
        self.added_after = None

    def _get(self, url):
        answer = self.session.get(url)
        answer.raise_for_status()
        return answer.json()

    def poll(self):
        """Pages until one says that there is no more."""
        objects = []
        while True:
            query = {"limit": LIMIT, "added_after": self.added_after}
            answer = self.session.get(self.objects, params=query)
            answer.raise_for_status()
            page = answer.json()
            objects += page.get("objects", [])
            self.added_after = answer.headers[LAST]
            if not page.get("more"):
                return objects


@pytest.fixture
def connector(feed):
    return DataConnector(feed.reader.api_root, feed.id, feed.reader.session())


def test_a_collection_is_walked_by_its_header_alone(feed, connector, wire):
    """1000 objects in one push: they came at one moment and must still be told apart."""
    visible = indicators(1000)
    hidden = indicators(500, **marked("red"))
    push = [found for n in range(500) for found in (visible[2 * n], hidden[n], visible[2 * n + 1])]
    feed.producer.push(feed.id, push)
    wire.take()
    assert in_order(connector.poll()) == in_order(visible)
    assert len(wire.take()) == len(visible) / LIMIT


def test_later_polls_bring_only_what_is_new(feed, connector, wire):
    pushed, polled = [], []
    for size in (250, 1, LIMIT, 0, 3):
        if size:
            objects = indicators(size)
            pushed += objects
            feed.producer.push(feed.id, objects)
        wire.take()
        polled += connector.poll()
        assert len(wire.take()) == max(1, ceil(size / LIMIT))
    assert in_order(polled) == in_order(pushed)


def test_an_idle_feed_costs_one_request_a_poll_and_no_object(feed, connector, wire):
    feed.producer.push(feed.id, indicators(5))
    connector.poll()
    reached = connector.added_after
    wire.take()
    assert [connector.poll() for _ in range(3)] == [[], [], []]
    assert connector.added_after == reached
    assert len(wire.take()) == 3


def test_old_content_that_is_added_today_is_new_today(feed, connector, wire):
    """added_after is about adding, never about an object's own dates."""
    feed.producer.push(feed.id, indicators(5))
    connector.poll()
    (old,) = indicators(1)
    old.update(created="2015-01-01T00:00:00.000Z", modified="2015-01-01T00:00:00.000Z")
    feed.producer.push(feed.id, [old])
    wire.take()
    assert connector.poll() == [old]
    assert len(wire.take()) == 1


def test_a_revocation_reaches_the_connector_as_a_new_version(feed, connector, wire):
    (found,) = indicators(1)
    feed.producer.push(feed.id, [found])
    assert connector.poll() == [found]
    revoked = newer(found, "2024-06-01T00:00:00.000Z", revoked=True)
    feed.producer.push(feed.id, [revoked])
    wire.take()
    assert connector.poll() == [revoked]
    assert len(wire.take()) == 1


def test_a_late_old_version_never_takes_a_poller_back(feed, connector, wire):
    old, *_ = indicators(1)
    new = newer(old, "2024-06-01T00:00:00.000Z", name="corrected")
    feed.producer.push(feed.id, [new])
    assert connector.poll() == [new]
    feed.producer.push(feed.id, [old])
    wire.take()
    assert connector.poll() == []
    assert len(wire.take()) == 1
