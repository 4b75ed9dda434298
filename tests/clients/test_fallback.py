"""Clients that cannot present a certificate, on the fallback listener, as each sends its secret.

Sentinel, Splunk CTIS and MISP send Basic with a user of their own choice, MISP's browser
with the scheme in lower case; CrowdSec and others have no user to send; taxii2-client's
TokenAuth writes `Token`; some have a header of their own. None of them is redirected, and
each is told in TAXII's words why it is refused.
"""

from base64 import b64encode

import pytest
from corpus import in_order, indicators, marked
from requests import HTTPError
from requests.auth import HTTPBasicAuth
from taxii2client.common import TokenAuth
from taxii2client.v21 import Collection, Server
from test_misp_push import event, push
from test_sentinel import DataConnector
from test_splunk_ctis import submission, submit
from wire import TAXII


class HeaderAuth:
    """A secret in a header of its own."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __call__(self, request):
        request.headers[self.name] = self.value
        return request


@pytest.fixture
def collection(alliance):
    return alliance.collection("Lazarus Group", alliance.root())


@pytest.fixture
def producer(alliance, collection):
    """Reads and writes everything, with a certificate."""
    producer = alliance.member("producer")
    alliance.grant(producer, collection, "--read", "red", "--write", "--relay")
    return producer


@pytest.fixture
def reader(alliance, collection, producer):
    """Reads up to RED with a certificate, up to GREEN with its secret."""
    reader = alliance.member("reader")
    alliance.grant(reader, collection, "--read", "red")
    bearer = alliance.secret("reader", collection)
    alliance.fallback()
    alliance.serve()
    return bearer


@pytest.fixture
def writer(alliance, collection, producer):
    """The producer, with a secret that writes."""
    bearer = alliance.secret("producer", collection, "--write", "--ceiling", "amber")
    alliance.fallback()
    alliance.serve()
    return bearer


def ways(secret):
    return {
        "any user": HTTPBasicAuth("sentinel", secret),
        "blank user": HTTPBasicAuth("", secret),
        "secret as user": HTTPBasicAuth(secret, ""),
        "lower case": HeaderAuth("Authorization", f"basic {encoded(f'misp:{secret}')}"),
        "token": TokenAuth(secret),
        "bearer": HeaderAuth("Authorization", f"Bearer {secret}"),
        "header": HeaderAuth("x-api-key", secret),
    }


def encoded(text):
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize("way", ways(""))
def test_every_way_to_send_a_secret_leads_from_discovery_to_objects(
    producer, reader, collection, way
):
    visible, hidden = indicators(3), indicators(2, **marked("amber"))
    producer.push(collection, [*visible, *hidden])
    with Server(reader.discovery, auth=ways(reader.secret)[way], **reader.tls) as server:
        (root,) = server.api_roots
        assert root.url == reader.api_root, "a root on the same listener"
        (found,) = root.collections
        assert (found.id, found.can_read, found.can_write) == (collection, True, False)
        assert in_order(found.get_objects()["objects"]) == in_order(visible)


def test_sentinel_walks_a_collection_with_a_secret(producer, reader, collection):
    visible, hidden = indicators(250), indicators(50, **marked("red"))
    producer.push(collection, [*hidden, *visible])
    connector = DataConnector(reader.api_root, collection, reader.session(), reader.secret)
    assert in_order(connector.poll()) == in_order(visible)
    assert connector.poll() == []


def test_splunk_submits_and_misp_pushes_with_a_secret(producer, writer, collection):
    objects = submission("green")
    answer = submit(writer, collection, objects, writer.secret)
    assert (answer["status"], answer["success_count"]) == ("complete", len(objects))
    sent, statuses = push(writer, collection, event(1), writer.secret)
    assert len(sent) == len(statuses) == 1
    assert statuses[0].failure_count == 0, statuses[0]._raw


def test_misps_browser_reads_with_its_scheme_in_lower_case(producer, reader, collection):
    objects = indicators(5)
    producer.push(collection, objects)
    headers = {
        "Accept": TAXII,
        "Content-type": TAXII,
        "Authorization": f"basic {encoded(f'misp:{reader.secret}')}",
    }
    with reader.session() as session:
        answer = session.get(
            reader.objects(collection), headers=headers, params={"limit": 50, "next": ""}
        )
    assert in_order(answer.json()["objects"]) == in_order(objects)


@pytest.mark.parametrize("way", ways(""))
def test_a_wrong_secret_is_told_so_and_never_redirected(reader, wire, way):
    with pytest.raises(HTTPError) as refused:
        Server(reader.discovery, auth=ways(f"{reader.secret}x")[way], **reader.tls).refresh()
    response = refused.value.response
    assert response.status_code == 401 and not response.history
    assert "Basic" in response.headers["WWW-Authenticate"]
    assert "secret" in response.json()["description"]
    assert len(wire.take()) == 1


def test_what_leaves_by_a_secret_is_never_red_not_even_its_producers(producer, writer, collection):
    amber, red = indicators(2, **marked("amber")), indicators(2, **marked("red"))
    producer.push(collection, [*amber, *red])
    url = f"{writer.api_root}collections/{collection}/"
    with Collection(url, auth=TokenAuth(writer.secret), **writer.tls) as found:
        assert in_order(found.get_objects()["objects"]) == in_order(amber)
    assert in_order(producer.read(collection)) == in_order([*amber, *red])


def test_no_secret_stands_in_the_log_or_in_the_store(alliance, producer, reader, collection):
    for secret in (reader.secret, f"{reader.secret}x"):
        for auth in ways(secret).values():
            with reader.session() as session:
                session.get(reader.objects(collection), auth=auth)
                session.get(reader.objects(collection), auth=auth, params={"key": secret})
    alliance.stop()
    told = [alliance.log, *(alliance.folder / "data").iterdir()]
    for file in told:
        for form in (reader.secret, encoded(f"sentinel:{reader.secret}")):
            assert form.encode() not in file.read_bytes(), file
