"""MISP: its push script on top of taxii2-client, and the TAXII browser in its web interface.

The push reads max_content_length from the API root, fills envelopes up to that
many bytes of UTF-8 and not one more, skips any single object that is larger,
does not wait for the status, and only logs failures. What it pushes comes from
misp-stix: an identity, a report or grouping, indicators, observed data with
observables, markings, and MISP's own object types.

The browser asks for 50 objects at a time with an empty `next` on the first
page, names TAXII in Content-type on GET and writes `basic` in lower case.

Neither can present a client certificate: a relay in front of MISP adds that.
"""

import json

import pytest
from corpus import WHEN, identity, in_order, indicator, ipv4, marked, sdo, statement
from requests.auth import HTTPBasicAuth
from taxii2client.v21 import ApiRoot, Collection
from wire import TAXII

MAX_CONTENT_LENGTH = 20_000
PREFIX, COMMA, SUFFIX = b'{"objects":[', b",", b"]}"


def event(number):
    """One MISP event as misp-stix writes it in STIX 2.1."""
    author = identity("ORGNAME")
    common = {"created_by_ref": author["id"], "labels": ['misp:tool="MISP-STIX-Converter"']}
    address = ipv4(f"198.51.100.{number}")
    observed = sdo(
        "observed-data",
        **common,
        first_observed=WHEN,
        last_observed=WHEN,
        number_observed=1,
        object_refs=[address["id"]],
    )
    found = indicator(f"event-{number}", **common, **marked("green"))
    found["name"] = "가짜 면접 " * 20
    own = sdo(
        "x-misp-attribute",
        **common,
        x_misp_category="Financial fraud",
        x_misp_type="btc",
        x_misp_value="1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    )
    terms = statement(f"Event {number}: free to use")
    report = sdo(
        "report",
        **common,
        name=f"Event {number} 😀",
        published="2024-05-01T09:00:00Z",
        object_refs=[observed["id"], address["id"], found["id"], own["id"]],
        object_marking_refs=[terms["id"]],
    )
    return [terms, author, report, observed, address, found, own]


def serialized(stix_object):
    return json.dumps(stix_object, ensure_ascii=False).encode()


def envelopes(objects, max_content_length):
    """MISP's filling of envelopes: as many objects as fit, never a byte too many."""
    filled = b""
    for stix_object in objects:
        written = serialized(stix_object)
        longer = filled + COMMA + written if filled else written
        if len(PREFIX + longer + SUFFIX) <= max_content_length:
            filled = longer
            continue
        if filled:
            yield PREFIX + filled + SUFFIX
        fits = len(PREFIX + written + SUFFIX) <= max_content_length
        filled = written if fits else b""
    if filled:
        yield PREFIX + filled + SUFFIX


def push(member, collection, objects, password="changeme"):
    """The script's requests. Returns its envelopes, and the statuses as first answered."""
    access = {"auth": HTTPBasicAuth("misp", password), **member.tls}
    base = member.api_root.rstrip("/")
    with ApiRoot(base, **access) as root:
        sent = list(envelopes(objects, root.max_content_length))
    with Collection(f"{base}/collections/{collection}", **access) as target:
        return sent, [target.add_objects(body, wait_for_completion=False) for body in sent]


def browse(member, uri, query=None):
    """A request of MISP's TAXII browser."""
    headers = {
        "Accept": TAXII,
        "Content-type": TAXII,
        "Authorization": "basic bWlzcDpjaGFuZ2VtZQ==",
    }
    with member.session() as session:
        answer = session.get(f"{member.api_root}{uri}", params=query, headers=headers)
    answer.raise_for_status()
    return answer.json()


@pytest.mark.settings(max_content_length=MAX_CONTENT_LENGTH)
def test_everything_that_was_split_arrives(feed, wire):
    objects = [found for number in range(20) for found in event(number)]
    sent, statuses = push(feed.producer, feed.id, objects)
    assert len(sent) > 2, "nothing was split"
    assert max(map(len, sent)) <= MAX_CONTENT_LENGTH
    assert len(wire.take()) == 2 + len(sent)

    assert [status.failure_count for status in statuses] == [0] * len(sent), [
        status.failures for status in statuses
    ]
    assert sum(status.success_count for status in statuses) == len(objects)
    assert in_order(feed.reader.read(feed.id)) == in_order(objects)


@pytest.mark.settings(max_content_length=MAX_CONTENT_LENGTH)
def test_an_object_too_large_is_left_out_and_the_rest_arrives(feed, wire):
    huge = indicator("huge", description="x" * MAX_CONTENT_LENGTH)
    before, after = event(1), event(2)
    sent, statuses = push(feed.producer, feed.id, [*before, huge, *after])
    assert len(wire.take()) == 2 + len(sent)
    assert sum(status.success_count for status in statuses) == len(before + after)
    assert in_order(feed.reader.read(feed.id)) == in_order(before + after)


@pytest.mark.settings(max_content_length=MAX_CONTENT_LENGTH)
def test_an_envelope_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(feed, wire):
    """MISP fills up to the limit: a limit enforced one byte too early loses its envelopes."""
    full = indicator("full", description="")
    room = MAX_CONTENT_LENGTH - len(PREFIX + serialized(full) + SUFFIX)
    full["description"] = "x" * room
    (body,) = envelopes([full], MAX_CONTENT_LENGTH)
    assert len(body) == MAX_CONTENT_LENGTH

    with feed.producer.session() as session:
        session.headers.update({"Accept": TAXII, "Content-Type": TAXII})
        url = feed.producer.objects(feed.id)
        assert session.post(url, data=body + b" ").status_code == 413
        assert session.post(url, data=body).status_code == 202
    assert len(wire.take()) == 2
    assert feed.reader.read(feed.id) == [full]


def test_the_same_event_pushed_twice_is_there_once(feed, wire):
    objects = event(1)
    for _ in range(2):
        _, statuses = push(feed.producer, feed.id, objects)
        assert [status.failure_count for status in statuses] == [0]
    assert len(wire.take()) == 6
    assert in_order(feed.reader.read(feed.id)) == in_order(objects)


def test_the_browser_pages_by_fifty(feed, wire):
    visible = [found for number in range(20) for found in event(number)]
    hidden = [indicator(f"hidden-{number}", **marked("red")) for number in range(40)]
    feed.producer.push(feed.id, visible[:70] + hidden + visible[70:])
    wire.take()

    (collection,) = browse(feed.reader, "collections/")["collections"]
    uri = f"collections/{collection['id']}/objects/"
    objects, following = [], ""
    while following is not None:
        page = browse(feed.reader, uri, {"limit": 50, "next": following})
        assert page["objects"], "the browser shows an error for a page without objects"
        objects += page["objects"]
        following = page.get("next")
    assert in_order(objects) == in_order(visible)
    asked = wire.take()
    assert len(asked) == 1 + 3
    assert "next=" in asked[1].request.url


def test_the_browser_opens_one_object(feed, wire):
    objects = event(1)
    feed.producer.push(feed.id, objects)
    wire.take()
    for found in objects:
        page = browse(feed.reader, f"collections/{feed.id}/objects/{found['id']}/")
        assert page["objects"] == [found]
    assert len(wire.take()) == len(objects)
