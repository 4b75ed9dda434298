"""The Splunk CTIS app 1.16, through which Australian firms submit, on top of taxii2-client.

Its habits: saving a configuration reads the discovery resource and shows any
error to the administrator; the collections of the API root fill a list; a
submission is one bundle of grouping, identities, indicators and the TLP 2.0
marking definitions they use, every time in it with six fraction digits; it goes
out labelled as TAXII, waits for its status, and stores the server's answer.

The app sends Basic and has no option for a client certificate: a relay in front
of it adds that.
"""

import json

import pytest
from corpus import TLP2, bundle, identity, in_order, indicator, sdo, spoilt
from requests import HTTPError
from taxii2client.v21 import ApiRoot, Server

CTIS_TIME = "2025-07-08T03:30:10.123456Z"
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_CREATED = "2022-10-01T00:00:00.000000Z"


def tlp_marking(level, created=TLP_CREATED):
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP2[level],
        "created": created,
        "name": f"TLP:{level.upper()}",
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": level}},
    }


def submission(level, count=5):
    """The objects of one submission, in the app's order."""
    common = {
        "created": CTIS_TIME,
        "modified": CTIS_TIME,
        "confidence": 100,
        "object_marking_refs": [TLP2[level]],
    }
    author = identity("Example Energy", **common)
    found = [
        indicator(
            f"c2-{n}",
            **common,
            created_by_ref=author["id"],
            indicator_types=["malicious-activity"],
        )
        for n in range(count)
    ]
    for each in found:
        each["valid_from"] = CTIS_TIME
    grouping = sdo(
        "grouping",
        **common,
        created_by_ref=author["id"],
        name="Fake recruiters",
        description="Hosts seen in interviews",
        context="suspicious-activity",
        object_refs=[*(each["id"] for each in found), author["id"]],
    )
    return [grouping, author, *found, tlp_marking(level)]


def submit(member, collection, objects, password="changeme"):
    """The app's submission: find the collection in the API root's list, post, keep the answer."""
    root = ApiRoot(member.api_root, user="splunk", password=password, **member.tls)
    chosen = {found.id: found for found in root.collections}[collection]
    return chosen.add_objects(json.dumps(bundle(objects)))._raw


def test_saving_a_configuration_validates_the_connection(feed, wire):
    server = Server(
        feed.producer.discovery, user="splunk", password="changeme", **feed.producer.tls
    )
    assert server.title
    (asked,) = wire.take()
    assert asked.request.headers["Authorization"].startswith("Basic ")


def test_a_mistyped_url_fails_validation_in_plain_words(feed, wire):
    mistyped = f"{feed.producer.discovery}collections/"
    with pytest.raises(HTTPError) as refused:
        Server(mistyped, user="splunk", password="changeme", **feed.producer.tls).refresh()
    assert refused.value.response.status_code == 404
    assert refused.value.response.json()["title"]
    assert len(wire.take()) == 1


@pytest.mark.parametrize("level", ["clear", "green"])
def test_a_submission_is_complete_and_kept_as_it_was_written(feed, wire, level):
    objects = submission(level)
    answer = submit(feed.producer, feed.id, objects)
    assert answer["status"] == "complete"
    assert answer["total_count"] == answer["success_count"] == len(objects)
    assert len(wire.take()) == 2, "the list of collections and the POST"
    assert in_order(feed.reader.read(feed.id)) == in_order(objects)


@pytest.mark.parametrize("level", ["amber", "amber+strict", "red"])
def test_a_tlp_2_marking_decides_who_reads_the_submission(feed, wire, level):
    """The marking definition itself is unmarked: it takes the collection's level, GREEN."""
    objects = submission(level)
    assert submit(feed.producer, feed.id, objects)["success_count"] == len(objects)
    assert len(wire.take()) == 2
    assert feed.reader.read(feed.id) == [tlp_marking(level)]
    assert in_order(feed.producer.read(feed.id)) == in_order(objects)


def test_every_submission_brings_the_same_marking_definition_again(feed, wire):
    first, second = submission("green"), submission("green")
    for objects in (first, second):
        answer = submit(feed.producer, feed.id, objects)
        assert (answer["success_count"], answer["failure_count"]) == (len(objects), 0)
    assert len(wire.take()) == 4
    assert in_order(feed.reader.read(feed.id)) == in_order([*first, *second[:-1]])


def test_two_firms_may_submit_the_same_marking_definition(alliance, wire):
    collection = alliance.collection("Submissions", alliance.root())
    firms = [alliance.member(name) for name in ("energy", "water")]
    for firm in firms:
        alliance.grant(firm, collection, "--write", "--relay", "--read", "green")
    alliance.serve()

    submissions = [submission("green") for _ in firms]
    for firm, objects in zip(firms, submissions):
        assert submit(firm, collection, objects)["success_count"] == len(objects)
    assert len(wire.take()) == 4
    everything = [*submissions[0], *submissions[1][:-1]]
    assert in_order(firms[0].read(collection)) == in_order(everything)


def test_a_marking_definition_written_otherwise_harms_nothing_beside_it(feed, wire):
    """Others write the same instant with three digits. Whatever becomes of the second spelling,
    the rest of the bundle arrives and the first spelling stays."""
    usual = tlp_marking("green", created="2022-10-01T00:00:00.000Z")
    feed.producer.push(feed.id, [usual])
    objects = submission("green")
    wire.take()

    answer = submit(feed.producer, feed.id, objects)
    assert answer["status"] == "complete"
    assert answer["success_count"] >= len(objects) - 1
    assert [failure["id"] for failure in answer.get("failures", [])] in ([], [TLP2["green"]])
    assert len(wire.take()) == 2
    assert in_order(feed.reader.read(feed.id)) == in_order([usual, *objects[:-1]])


def test_the_stored_answer_names_what_failed_and_why(feed, wire):
    objects = submission("green")
    broken = objects[3] = spoilt(objects[3])
    answer = submit(feed.producer, feed.id, objects)
    assert (answer["success_count"], answer["failure_count"]) == (len(objects) - 1, 1)
    (failure,) = answer["failures"]
    assert (failure["id"], failure["version"]) == (broken["id"], CTIS_TIME)
    assert failure["message"]
    assert len(wire.take()) == 2
