"""Elastic's custom threat-intelligence integration (`ti_custom`) and its CEL program.

Its habits: Content-Type on GET; the first request of an interval has added_after
(the stored cursor, or the start of the initial interval in whole seconds) and
the limit; each further one has `next` and the limit and nothing else; it goes on
while `next` is there and never looks at `more`; it reads `objects` without
asking whether they are there; after every page the cursor is
X-TAXII-Date-Added-Last. Hence the server's setting `empty_objects`.
"""

from datetime import datetime, timedelta, timezone
from math import ceil

import pytest
from corpus import in_order, indicators, malware, marked
from wire import LAST, TAXII

PAGE_SIZE = 25

pytestmark = pytest.mark.settings(page_size=PAGE_SIZE, empty_objects=True)


class CelInput:
    """The CEL program's requests, and the cursor that the agent stores for it."""

    def __init__(self, member, collection, limit=None, query=None):
        self.session = member.session()
        self.session.headers.update({"Accept": TAXII, "Content-Type": TAXII})
        self.url = member.objects(collection)
        self.limit = {"limit": limit} if limit else {}
        self.query = query or {}
        start = datetime.now(timezone.utc) - timedelta(hours=120)
        self.cursor = f"{start:%Y-%m-%dT%H:%M:%SZ}"

    def interval(self):
        """One interval: pages until there is no `next`. Returns the events."""
        events = []
        parameters = {"added_after": self.cursor, **self.query, **self.limit}
        while True:
            answer = self.session.get(self.url, params=parameters)
            assert answer.status_code in (200, 206)
            body = answer.json()
            events += body["objects"]
            self.cursor = answer.headers[LAST]
            if not body.get("next"):
                return events
            parameters = {"next": body["next"], **self.limit}


@pytest.mark.parametrize("limit", [None, 10])
def test_next_alone_leads_to_every_object_once(feed, wire, limit):
    visible = indicators(60)
    feed.producer.push(feed.id, [*visible[:30], *indicators(20, **marked("red")), *visible[30:]])
    agent = CelInput(feed.reader, feed.id, limit)
    wire.take()
    assert in_order(agent.interval()) == in_order(visible)
    asked = wire.take()
    assert len(asked) == ceil(60 / (limit or PAGE_SIZE))
    assert all("added_after" not in exchange.request.url for exchange in asked[1:])


def test_next_alone_carries_the_filters_of_the_first_page(feed, wire):
    """A filter typed into the integration's URL is gone from page 2 on."""
    wanted = indicators(60)
    others = [malware(f"tool-{number}") for number in range(60)]
    feed.producer.push(feed.id, [found for pair in zip(wanted, others) for found in pair])
    agent = CelInput(feed.reader, feed.id, query={"match[type]": "indicator"})
    wire.take()
    assert in_order(agent.interval()) == in_order(wanted)
    assert len(wire.take()) == 3


def test_an_empty_poll_leaves_the_cursor_where_it_was(feed, wire):
    feed.producer.push(feed.id, indicators(30))
    agent = CelInput(feed.reader, feed.id)
    agent.interval()
    reached = agent.cursor
    wire.take()
    for _ in range(3):
        assert agent.interval() == []
        assert agent.cursor == reached
    assert len(wire.take()) == 3


def test_what_a_reader_may_not_see_does_not_move_its_cursor(feed, wire):
    feed.producer.push(feed.id, indicators(3))
    agent = CelInput(feed.reader, feed.id)
    agent.interval()
    reached = agent.cursor
    feed.producer.push(feed.id, indicators(3, **marked("red")))
    assert agent.interval() == []
    assert agent.cursor == reached
    assert len(wire.take()) == 4


def test_a_poll_of_an_empty_collection_echoes_its_start(feed, wire):
    agent = CelInput(feed.reader, feed.id)
    start = agent.cursor
    assert agent.interval() == []
    assert agent.cursor == start.replace("Z", ".000000Z")
    assert len(wire.take()) == 1


def test_interval_after_interval_brings_every_object_once(feed, wire):
    agent = CelInput(feed.reader, feed.id)
    pushed, events, pages = [], [], 0
    for size in (1, PAGE_SIZE, 0, 2 * PAGE_SIZE + 1, 3):
        if size:
            visible = indicators(size)
            pushed += visible
            feed.producer.push(feed.id, visible + indicators(2, **marked("amber")))
            wire.take()
        events += agent.interval()
        pages = len(wire.take())
        assert pages == max(1, ceil(size / PAGE_SIZE))
    assert in_order(events) == in_order(pushed)
