"""python-stix2's TAXIICollectionSource and TAXIICollectionSink, on top of taxii2-client.

Its habits: each object goes out in a STIX bundle of its own, labelled as TAXII;
an observable without spec_version goes out in a STIX 2.0 bundle; pages of 5000
are asked for and whatever comes is followed to the end; filters with `=` on
type, id, version and added_after go to the server, the others are applied at
home; a 404 on an object means None.
"""

import json

import pytest
import stix2
from corpus import identity, in_order, indicator, indicators, ipv4, malware, marked, newer
from stix2 import Filter, TAXIICollectionSink, TAXIICollectionSource, TAXIICollectionStore
from stix2.datastore import DataSourceError
from taxii2client.v21 import Collection

PAGE_SIZE = 20


def collection_for(member, feed):
    collection = Collection(f"{member.api_root}collections/{feed.id}/", **member.tls)
    collection.refresh()
    return collection


def as_json(stix_object):
    """The object as stix2 writes it."""
    parsed = stix2.parse(stix_object, allow_custom=True)
    return json.loads(parsed.serialize())


def all_as_json(objects):
    return in_order([as_json(found) for found in objects])


@pytest.fixture
def source(feed, wire):
    source = TAXIICollectionSource(collection_for(feed.reader, feed))
    wire.take()
    return source


def test_the_sink_sends_each_object_in_a_bundle(feed, wire):
    author = identity("CERT-A")
    objects = [
        stix2.parse(author),
        *indicators(5, created_by_ref=author["id"]),
        ipv4("198.51.100.7"),
    ]
    sink = TAXIICollectionSink(collection_for(feed.producer, feed))
    wire.take()

    sink.add(objects)
    posts = wire.take()
    assert len(posts) == len(objects)
    assert all(json.loads(post.request.body)["type"] == "bundle" for post in posts)
    assert all(post.json()["success_count"] == 1 for post in posts)
    assert all_as_json(feed.producer.read(feed.id)) == all_as_json(objects)


def test_an_observable_in_a_bundle_that_says_2_0_is_taken(feed, wire):
    sink = TAXIICollectionSink(collection_for(feed.producer, feed))
    wire.take()
    sink.add(ipv4("198.51.100.7"))
    (post,) = wire.take()
    assert json.loads(post.request.body)["spec_version"] == "2.0"
    assert post.json()["success_count"] == 1
    assert [found["value"] for found in feed.producer.read(feed.id)] == ["198.51.100.7"]


def test_the_sink_is_not_made_for_a_reader(feed):
    with pytest.raises(DataSourceError):
        TAXIICollectionSink(collection_for(feed.reader, feed))


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_the_source_reads_past_the_servers_page(feed, source, wire):
    visible = indicators(50)
    hidden = indicators(25, **marked("red"))
    for start in range(25):
        feed.producer.push(feed.id, [*visible[2 * start : 2 * start + 2], hidden[start]])
    wire.take()
    assert all_as_json(source.query()) == all_as_json(visible)
    assert len(wire.take()) == 3


def test_filters_are_shared_between_server_and_client(feed, source, wire):
    tool = malware("BeaverTail")
    feed.producer.push(feed.id, [indicator("first"), indicator("second"), tool])
    wire.take()
    assert all_as_json(source.query([Filter("type", "=", "malware")])) == [as_json(tool)]
    found = source.query([Filter("type", "=", "indicator"), Filter("name", "!=", "first")])
    assert [indicator.name for indicator in found] == ["second"]
    asked = [exchange.request.url for exchange in wire.take()]
    assert len(asked) == 2
    assert "malware" in asked[0] and "first" not in asked[1]


def test_added_after_brings_what_came_later(feed, source, wire):
    before, after = indicators(3), indicators(4)
    feed.producer.push(feed.id, before)
    last = source.collection.get_manifest()["objects"][-1]["date_added"]
    feed.producer.push(feed.id, after)
    wire.take()
    assert all_as_json(source.query([Filter("added_after", "=", last)])) == all_as_json(after)
    assert len(wire.take()) == 1


def test_get_brings_the_last_version_and_all_versions_all(feed, source, wire):
    old = indicator("c2")
    new = newer(old, "2024-05-02T09:00:00.000Z", name="renamed")
    feed.producer.push(feed.id, [old])
    feed.producer.push(feed.id, [new])
    wire.take()
    assert as_json(source.get(old["id"])) == as_json(new)
    assert all_as_json(source.all_versions(old["id"])) == all_as_json([old, new])
    assert len(wire.take()) == 2


def test_get_of_an_absent_or_hidden_object_is_none(feed, source, wire):
    hidden = indicator("c2", **marked("amber"))
    feed.producer.push(feed.id, [hidden])
    wire.take()
    assert source.get(hidden["id"]) is None
    assert source.get(indicator("never-sent")["id"]) is None
    assert len(wire.take()) == 2


def test_a_store_reads_back_what_it_wrote(feed, wire):
    store = TAXIICollectionStore(collection_for(feed.producer, feed))
    objects = [stix2.parse(found) for found in indicators(3)]
    wire.take()
    store.add(objects)
    assert all_as_json(store.query()) == all_as_json(objects)
    assert as_json(store.get(objects[0].id)) == as_json(objects[0])
    assert len(wire.take()) == 5
