"""cytaxii2 1.0.1, Cyware's client.

Its habits: Content-Type on GET; Basic credentials whatever the server wants; it
requests the discovery resource's `default` as it stands, so that has to be a
whole URL; unset parameters are left out; it posts the caller's text as it is;
it hands every reply on as {status, status_code, response} and calls .json() on
errors too.

It has no option for a client certificate. Here the certificate comes from the
session put in place of its `requests`, as it would from a relay in front of it.
"""

import json

import pytest
from corpus import bundle, in_order, indicator, indicators, malware, marked
from cytaxii2 import cytaxii2
from wire import TAXII


@pytest.fixture
def client_of(feed, monkeypatch):
    def client(member):
        monkeypatch.setattr(cytaxii2, "requests", member.session())
        client = cytaxii2.cytaxii2(member.discovery, "anybody", "anything")
        assert client.get_api_root() == (member.api_root, False)
        return client

    return client


def test_the_way_from_discovery_to_the_collection(feed, client_of, wire):
    client = client_of(feed.reader)
    replies = [
        client.discovery_request(),
        client.root_discovery(),
        client.collection_request(),
        client.collection_data_request(feed.id),
    ]
    assert [(reply["status"], reply["status_code"]) for reply in replies] == [(True, 200)] * 4
    discovery, root, collections, collection = [reply["response"] for reply in replies]
    assert discovery["default"] in discovery["api_roots"]
    assert TAXII in root["versions"]
    assert collections["collections"] == [collection]
    assert collection["id"] == feed.id

    asked = wire.take()
    assert len(asked) == 5
    for exchange in asked:
        assert exchange.request.headers["Content-Type"] == TAXII
        assert exchange.request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("limit", [None, 7, 1000])
@pytest.mark.settings(page_size=20)
def test_polling_with_next_brings_every_object_once(feed, client_of, wire, limit):
    visible = indicators(45)
    feed.producer.push(feed.id, [*visible[:20], *indicators(10, **marked("red")), *visible[20:]])
    client = client_of(feed.reader)
    wire.take()

    objects, following = [], None
    while True:
        reply = client.poll_request(feed.id, limit=limit, next=following)
        assert reply["status_code"] == 200
        objects += reply["response"].get("objects", [])
        if not reply["response"].get("more"):
            break
        following = reply["response"]["next"]
    assert in_order(objects) == in_order(visible)
    assert len(wire.take()) == (7 if limit == 7 else 3)


def test_polling_by_type_id_and_time(feed, client_of, wire):
    first, tool = indicator("c2"), malware("BeaverTail")
    feed.producer.push(feed.id, [first, tool])
    client = client_of(feed.reader)
    wire.take()

    def found(**filters):
        return client.poll_request(feed.id, **filters)["response"]

    assert found(object_type="malware")["objects"] == [tool]
    assert found(object_id=first["id"])["objects"] == [first]
    last = wire.take()[-1].headers["X-TAXII-Date-Added-Last"]
    assert found(object_id=first["id"], added_after=last) == {}
    assert len(wire.take()) == 1


def test_an_inbox_request_adds_a_bundle(feed, client_of, wire):
    objects = indicators(3)
    client = client_of(feed.producer)
    wire.take()
    reply = client.inbox_request(feed.id, json.dumps(bundle(objects)))
    assert (reply["status"], reply["status_code"]) == (True, 202)
    assert (reply["response"]["status"], reply["response"]["success_count"]) == ("complete", 3)
    assert len(wire.take()) == 1
    assert in_order(feed.producer.read(feed.id)) == in_order(objects)


def test_a_refused_inbox_request_says_why(feed, client_of, wire):
    client = client_of(feed.reader)
    wire.take()
    reply = client.inbox_request(feed.id, json.dumps(bundle(indicators(1))))
    assert (reply["status"], reply["status_code"]) == (False, 403)
    assert reply["response"]["title"]
    assert len(wire.take()) == 1
