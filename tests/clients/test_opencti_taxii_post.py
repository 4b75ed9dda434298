"""OpenCTI pushing: the stream connector `taxii-post`.

Its habits: one object per POST, in a bundle that carries the spec_version which
STIX 2.1 took away from bundles; spec_version on every object, observables too;
markings and author stripped by default, and identities then not sent at all;
spaces in both media types; Bearer or Basic, never a certificate of its own (a
relay in front of it adds that); the reply goes to the log unread.
"""

from uuid import uuid4

import pytest
from corpus import identity, in_order, indicator, ipv4, malware, marked, relationship
from wire import TAXII

OPENCTI_EXTENSION = "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba"

CREDENTIALS = {
    "token": {"headers": {"Authorization": "Bearer 0e2a7b1c-d4a9-4c57-9f0e-1f6d8f0f7f10"}},
    "login": {"auth": ("opencti", "changeme")},
    "nothing set": {"auth": (b"None", b"None")},
}


def from_the_stream(stix_object, score):
    """The object as OpenCTI's live stream carries it."""
    extension = {"extension_type": "property-extension", "id": str(uuid4()), "score": score}
    return {**stix_object, "extensions": {OPENCTI_EXTENSION: extension}}


def prepared(stix_object):
    """What the connector makes of it, with its default settings."""
    if stix_object["type"] == "identity":
        return None
    stripped = ("object_marking_refs", "created_by_ref")
    kept = {name: value for name, value in stix_object.items() if name not in stripped}
    return {**kept, "spec_version": "2.1"}


def post(session, url, stix_object, credentials):
    """The connector's request. Returns the reply."""
    headers = {
        "Content-Type": "application/stix+json; version=2.1",
        "Accept": "application/taxii+json; version=2.1",
        **credentials.get("headers", {}),
    }
    body = {
        "type": "bundle",
        "spec_version": "2.1",
        "id": f"bundle--{uuid4()}",
        "objects": [stix_object],
    }
    return session.post(url, headers=headers, json=body, auth=credentials.get("auth"))


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS)
def test_a_stream_arrives_object_by_object(feed, wire, credentials):
    author = identity("CERT-A")
    tool = malware("InvisibleFerret", created_by_ref=author["id"], **marked("green"))
    found = indicator("c2", created_by_ref=author["id"], **marked("clear"))
    address = ipv4("198.51.100.7")
    link = relationship(found, "indicates", tool)
    events = [from_the_stream(event, score=75) for event in (author, tool, found, address, link)]
    sent = [event for event in map(prepared, events) if event]

    with feed.producer.session() as session:
        for event in sent:
            reply = post(session, feed.producer.objects(feed.id), event, credentials)
            assert reply.status_code == 202, reply.text
            status = reply.json()
            assert (status["status"], status["total_count"]) == ("complete", 1)
            assert status["success_count"] == 1
    assert len(wire.take()) == len(sent) == 4
    assert in_order(feed.reader.read(feed.id)) == in_order(sent)


def test_an_update_event_is_a_new_version(feed, wire):
    old = prepared(from_the_stream(indicator("c2"), score=10))
    new = prepared({**from_the_stream(old, score=90), "modified": "2024-05-02T09:00:00.000Z"})
    with feed.producer.session() as session:
        for event in (old, new, new):
            reply = post(session, feed.producer.objects(feed.id), event, CREDENTIALS["token"])
            assert reply.json()["success_count"] == 1
    assert len(wire.take()) == 3
    assert feed.reader.read(feed.id) == [new]
    assert in_order(feed.reader.read(feed.id, **{"match[version]": "all"})) == [old, new]


def test_the_connectors_media_types_are_answered_in_ours(feed, wire):
    """The reply to `Accept: application/taxii+json; version=2.1`, with its space, has none."""
    with feed.producer.session() as session:
        event = prepared(indicator("c2"))
        post(session, feed.producer.objects(feed.id), event, CREDENTIALS["token"])
    (exchange,) = wire.take()
    assert " " in exchange.request.headers["Accept"]
    assert exchange.headers["Content-Type"] == TAXII
