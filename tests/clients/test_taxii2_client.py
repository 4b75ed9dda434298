"""taxii2-client 2.3.0, the OASIS library inside XSOAR, MISP push, Splunk CTIS and OpenCTI.

Its habits: a slash behind every URL; the reply's Content-Type must hold every
token of its Accept; what it asks for on page 2 is the number of objects that
page 1 held; filters are repeated next to `next`; zeros are cut from the end of
added_after; rights are judged locally by can_read and can_write; a finished
status is believed at once, an unfinished one is asked for every second.
"""

from datetime import datetime
from math import ceil

import pytest
from corpus import (
    identity,
    in_order,
    indicator,
    indicators,
    malware,
    marked,
    newer,
    relationship,
    spoilt,
)
from requests import HTTPError
from taxii2client import v20
from taxii2client.exceptions import AccessError
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages
from wire import TAXII

PAGE_SIZE = 20


def collection_for(member, feed):
    """The collection, its description already fetched: a test counts its own requests only."""
    collection = Collection(f"{member.api_root}collections/{feed.id}/", **member.tls)
    collection.refresh()
    return collection


def objects_of(pages):
    return [found for page in pages for found in page.get("objects", [])]


@pytest.fixture
def mixed(feed):
    """75 objects in five pushes, every third above the reader's level. The 50 that it may see."""
    levels = ["green", "red", "clear"]
    objects = [indicator(f"c2-{n}", **marked(levels[n % 3])) for n in range(75)]
    for start in range(0, 75, 15):
        feed.producer.push(feed.id, objects[start : start + 15])
    return [found for n, found in enumerate(objects) if n % 3 != 1]


def test_discovery_leads_to_the_root_and_to_its_collections(feed, wire):
    server = Server(feed.reader.discovery, **feed.reader.tls)
    assert server.title
    assert server.default in server.api_roots

    (root,) = server.api_roots
    assert root.url == feed.reader.api_root
    assert root.versions == [TAXII]
    assert type(root.max_content_length) is int and root.max_content_length > 0

    (collection,) = root.collections
    assert (collection.id, collection.title) == (feed.id, feed.title)
    assert len(wire.take()) == 3


def test_a_url_typed_without_its_slash_is_found_too(feed, wire):
    bare = feed.reader.discovery.rstrip("/")
    assert Server(bare, **feed.reader.tls).title
    with feed.reader.session() as session:
        session.headers["Accept"] = TAXII
        assert session.get(bare).json() == session.get(feed.reader.discovery).json()
    assert len(wire.take()) == 3


def test_each_caller_is_told_its_own_rights(feed, wire):
    for member, rights in [(feed.producer, (True, True)), (feed.reader, (True, False))]:
        (collection,) = ApiRoot(member.api_root, **member.tls).collections
        assert (collection.can_read, collection.can_write) == rights
    assert len(wire.take()) == 2


@pytest.mark.settings(page_size=PAGE_SIZE)
@pytest.mark.parametrize("per_request", [0, 1, 7, 1000])
def test_pages_of_objects_are_full_and_add_up(feed, mixed, wire, per_request):
    """Hidden objects lie between the visible ones: a page that were filtered after it was cut
    would be short, and the client would go on with that short length."""
    collection = collection_for(feed.reader, feed)
    wire.take()
    pages = as_pages(collection.get_objects, per_request=per_request)
    assert in_order(objects_of(pages)) == in_order(mixed)
    full = min(per_request or PAGE_SIZE, PAGE_SIZE)
    assert len(wire.take()) == ceil(len(mixed) / full)


@pytest.mark.settings(page_size=PAGE_SIZE)
@pytest.mark.parametrize("per_request", [0, 1, 7, 1000])
def test_pages_of_the_manifest_are_full_and_add_up(feed, mixed, wire, per_request):
    collection = collection_for(feed.reader, feed)
    wire.take()
    records = objects_of(as_pages(collection.get_manifest, per_request=per_request))
    assert sorted(record["id"] for record in records) == sorted(found["id"] for found in mixed)
    added = [record["date_added"] for record in records]
    assert all(earlier < later for earlier, later in zip(added, added[1:]))
    full = min(per_request or PAGE_SIZE, PAGE_SIZE)
    assert len(wire.take()) == ceil(len(mixed) / full)


@pytest.mark.settings(page_size=PAGE_SIZE)
@pytest.mark.parametrize("per_request", [0, 7])
def test_pages_of_versions_add_up(feed, wire, per_request):
    """as_pages counts `objects` and finds none in versions: its page 2 has no limit at all."""
    first = indicator("c2")
    versions = [newer(first, f"2024-05-{day:02}T09:00:00.000Z") for day in range(1, 31)]
    feed.producer.push(feed.id, versions)
    collection = collection_for(feed.reader, feed)
    wire.take()
    pages = as_pages(lambda **page: collection.object_versions(first["id"], **page), per_request)
    listed = [version for page in pages for version in page["versions"]]
    assert sorted(listed) == [version["modified"] for version in versions]
    assert len(wire.take()) <= 3


def test_a_poll_from_a_datetime_brings_what_came_later(feed, wire):
    """The last entry of a push lies on a whole millisecond: three digits or fewer are sent."""
    before, after = indicators(10), indicators(10)
    feed.producer.push(feed.id, before)
    collection = collection_for(feed.reader, feed)
    last = collection.get_manifest()["objects"][-1]["date_added"]
    feed.producer.push(feed.id, after)

    wire.take()
    since = datetime.fromisoformat(last.replace("Z", "+00:00"))
    pages = as_pages(collection.get_objects, per_request=7, added_after=since)
    assert in_order(objects_of(pages)) == in_order(after)
    asked = wire.take()
    assert len(asked) == 2
    assert all(last not in exchange.request.url for exchange in asked)


def test_filters_narrow_by_type_and_id(feed, wire):
    first, second = indicators(2)
    tool = malware("BeaverTail")
    link = relationship(first, "indicates", tool)
    feed.producer.push(feed.id, [first, second, tool, link])
    collection = collection_for(feed.reader, feed)
    wire.take()

    def found(**filters):
        return in_order(collection.get_objects(**filters).get("objects", []))

    assert found(type="malware") == [tool]
    assert found(type=["malware", "relationship"]) == in_order([tool, link])
    assert found(id=[first["id"], link["id"]]) == in_order([first, link])
    assert found(type="malware", id=first["id"]) == []
    assert found(spec_version="2.1") == in_order([first, second, tool, link])
    assert found(spec_version="2.0") == []
    assert len(wire.take()) == 6


def test_an_object_and_its_versions_are_fetched_by_id(feed, wire):
    old = indicator("c2")
    new = newer(old, "2024-05-02T09:00:00.000Z", revoked=True)
    feed.producer.push(feed.id, [old])
    feed.producer.push(feed.id, [new])
    collection = collection_for(feed.reader, feed)
    wire.take()

    assert collection.get_object(old["id"])["objects"] == [new]
    assert collection.get_object(old["id"], version="first")["objects"] == [old]
    assert collection.get_object(old["id"], version=old["modified"])["objects"] == [old]
    assert in_order(collection.get_object(old["id"], version="all")["objects"]) == [old, new]
    versions = collection.object_versions(old["id"])["versions"]
    assert sorted(versions) == [old["modified"], new["modified"]]
    assert len(wire.take()) == 5


def test_a_hidden_object_is_an_absent_object(feed, wire):
    hidden = indicator("c2", **marked("amber"))
    feed.producer.push(feed.id, [hidden])
    collection = collection_for(feed.reader, feed)
    wire.take()
    for asked in (hidden["id"], indicator("never-sent")["id"]):
        with pytest.raises(HTTPError):
            collection.get_object(asked)
    of_hidden, of_absent = wire.take()
    assert of_hidden.status_code == of_absent.status_code == 404
    assert of_hidden.json()["title"] == of_absent.json()["title"]
    assert collection.get_objects() == {}


def test_added_objects_are_complete_in_the_answer_and_in_the_status(feed, wire):
    author = identity("CERT-A")
    objects = [author, *indicators(40, created_by_ref=author["id"])]
    collection = collection_for(feed.producer, feed)
    wire.take()

    status = collection.add_objects({"objects": objects}, wait_for_completion=True)
    assert len(wire.take()) == 1, "a complete status needs no second question"
    assert status.status == "complete"
    assert (status.total_count, status.success_count) == (41, 41)
    assert (status.failure_count, status.pending_count) == (0, 0)

    again = ApiRoot(feed.producer.api_root, **feed.producer.tls).get_status(status.id)
    assert again._raw == status._raw
    status.refresh()
    assert status._raw == again._raw
    assert in_order(collection.get_objects()["objects"]) == in_order(objects)
    assert len(wire.take()) == 3


def test_adding_again_succeeds_and_adds_nothing(feed, wire):
    objects = indicators(5)
    collection = collection_for(feed.producer, feed)
    collection.add_objects({"objects": objects})
    manifest = collection.get_manifest()
    status = collection.add_objects({"objects": objects})
    assert (status.success_count, status.failure_count) == (5, 0)
    assert collection.get_manifest() == manifest
    assert len(wire.take()) == 5


def test_one_bad_object_does_not_sink_the_others(feed, wire):
    good = indicators(9)
    bad = spoilt(indicator("bad"))
    collection = collection_for(feed.producer, feed)
    wire.take()

    status = collection.add_objects({"objects": [*good[:4], bad, *good[4:]]})
    assert (status.total_count, status.success_count, status.failure_count) == (10, 9, 1)
    (failure,) = status.failures
    assert failure["id"] == bad["id"]
    assert failure["message"]
    assert in_order(collection.get_objects()["objects"]) == in_order(good)
    assert len(wire.take()) == 2


def test_a_deleted_object_is_gone(feed, wire):
    kept, dropped = indicators(2)
    collection = collection_for(feed.producer, feed)
    collection.add_objects({"objects": [kept, dropped]})
    wire.take()

    collection.delete_object(dropped["id"])
    assert collection.get_objects()["objects"] == [kept]
    for attempt in (collection.get_object, collection.delete_object):
        with pytest.raises(HTTPError) as refused:
            attempt(dropped["id"])
        assert refused.value.response.status_code == 404
    assert len(wire.take()) == 4


def test_a_reader_neither_adds_nor_deletes(feed, wire):
    (shared,) = indicators(1)
    feed.producer.push(feed.id, [shared])
    collection = collection_for(feed.reader, feed)
    wire.take()
    with pytest.raises(AccessError):
        collection.add_objects({"objects": indicators(1)})
    with pytest.raises(AccessError):
        collection.delete_object(shared["id"])
    assert wire.take() == [], "the client believes can_write and does not ask"

    with feed.reader.session() as session:
        session.headers.update({"Accept": TAXII, "Content-Type": TAXII})
        url = feed.reader.objects(feed.id)
        assert session.post(url, json={"objects": indicators(1)}).status_code == 403
        assert session.delete(f"{url}{shared['id']}/").status_code == 403
    assert feed.producer.read(feed.id) == [shared]


def test_a_write_only_member_reads_nothing(alliance, wire):
    collection = alliance.collection("Reports", alliance.root())
    member = alliance.member("reporter")
    alliance.grant(member, collection, "--write", "--relay")
    alliance.serve()

    (mailbox,) = ApiRoot(member.api_root, **member.tls).collections
    assert (mailbox.can_read, mailbox.can_write) == (False, True)
    assert mailbox.add_objects({"objects": indicators(3)}).success_count == 3
    with pytest.raises(AccessError):
        mailbox.get_objects()
    with member.session() as session:
        refused = session.get(member.objects(collection), headers={"Accept": TAXII})
    assert refused.status_code == 403
    assert len(wire.take()) == 3


def test_a_collection_of_others_is_neither_listed_nor_there(alliance, wire):
    root = alliance.root()
    ours, theirs = (alliance.collection(title, root) for title in ("Ours", "Theirs"))
    member = alliance.member("member")
    alliance.grant(member, ours, "--read", "green")
    alliance.serve()

    listed = ApiRoot(member.api_root, **member.tls).collections
    assert [collection.id for collection in listed] == [ours]
    with pytest.raises(HTTPError) as refused:
        Collection(f"{member.api_root}collections/{theirs}/", **member.tls).refresh()
    assert refused.value.response.status_code == 404
    assert len(wire.take()) == 2


def test_the_2_0_client_is_told_406(feed, wire):
    """XSOAR falls back to its 2.0 client on 406 only; that client must then fail cleanly."""
    with pytest.raises(HTTPError) as refused:
        v20.Server(feed.reader.discovery, **feed.reader.tls).refresh()
    assert refused.value.response.status_code == 406
    assert len(wire.take()) == 1
