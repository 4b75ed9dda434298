"""A whole corpus in by the command line and out over HTTPS: not a byte of any object changes.

With ENTENTE_ATTACK_BUNDLE set to a STIX bundle, such as one of MITRE ATT&CK,
that is the corpus. Without it the corpus is made here: valid STIX, written in
every way that JSON allows and that a parser and printer in between would undo.
"""

import json
import os
import re
from math import ceil
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from corpus import in_order
from taxii2client.v21 import Collection, as_pages
from wire import TAXII

PAGE_SIZE = 100

# STIX objects as their authors might have written them. In place of each --ID comes a fresh UUID.
HANDWRITTEN = [
    # Numbers: one and a zero, exponents of either case, minus zero, the largest and smallest float.
    r"""{"type":"location","spec_version":"2.1","id":"location--ID",
    "created":"2024-05-01T09:00:00.000Z","modified":"2024-05-01T09:00:00.000Z",
    "latitude":3.90194E1,"longitude":125.0,"precision":1E2,"region":"eastern-asia",
    "x_numbers":[1.0,1E2,1e-7,-0.0,0.10,1.7976931348623157E308,5e-324,
    9007199254740991,-9007199254740991,123456789.123456789]}""",
    # Members out of the usual order, and blanks wherever a blank may stand.
    r"""{ "name" : "spaced  out" ,  "id" : "malware--ID" ,"is_family"
	:	false, "modified":"2024-05-01T09:00:00.000Z","spec_version":"2.1"  ,
	"malware_types" : [ "downloader" ,	"trojan" ],

	"created" :"2024-05-01T09:00:00.000Z", "type" : "malware" }""",
    # Escapes where none is needed; six fraction digits.
    r"""{"type":"identity","spec_version":"2.1","id":"identity--ID",
    "created":"2024-05-01T09:00:00.123456Z","modified":"2024-05-01T09:00:00.123456Z",
    "name":"\u0041gency \/ \ud83d\ude00 \u00E9 \u00e9 \t\"\\","identity_class":"organization"}""",
    # No escape where one is usual: Hangul, both forms of e acute, joined emoji, right to left.
    """{"type":"threat-actor","spec_version":"2.1","id":"threat-actor--ID",
    "created":"2024-05-01T09:00:00.123456789Z","modified":"2024-05-01T09:00:00.123456789Z",
    "name":"라자루스 \u00e9 e\u0301 👩🏽\u200d💻 שלום",
    "aliases":["line\u2028separator","del\u007fete"]}""",
    # Custom content in depth, an empty string, a member name with an escape, two kinds of slash.
    r"""{"type":"indicator","spec_version":"2.1","id":"indicator--ID",
    "created":"2024-05-01T09:00:00.000000Z","modified":"2024-05-01T09:00:00.000000Z",
    "pattern":"[url:value = 'https:\/\/example.org/?q=\u0026']","pattern_type":"stix",
    "valid_from":"2024-05-01T09:00:00Z","description":"",
    "x_nested":{"zulu":{"yankee":[{"xray":true},[1.50,["\u005D}"]]]},"\u0061lpha":"a"}}""",
    # An observable in one line, without version and dates.
    r"""{"id":"user-account--ID","user_id":"7","type":"user-account","account_login":"o\u2019brien"}""",
]


def made_bundle(count):
    random = Random(20240501)
    texts = []
    for number in range(count):
        fresh = UUID(int=random.getrandbits(128), version=4)
        texts.append(HANDWRITTEN[number % len(HANDWRITTEN)].replace("--ID", f"--{fresh}"))
    return '{ "type":"bundle",\n "id":"bundle--%s",\n "objects" : [\n%s\n ] }\n' % (
        UUID(int=random.getrandbits(128), version=4),
        "\n , ".join(texts),
    )


def raw_objects(text):
    """The members of `objects`, cut as they stand out of the JSON text of a bundle or envelope."""
    decoder, blanks = json.JSONDecoder(), re.compile(r"[ \t\r\n]*")

    def step(at):
        """Past one bracket, colon or comma and the blanks behind it."""
        return blanks.match(text, at + 1).end()

    def cut(at):
        """The text of one JSON value, and where the next token stands."""
        _, end = decoder.raw_decode(text, at)
        return text[at:end], blanks.match(text, end).end()

    objects = []
    at = step(blanks.match(text).end())
    while text[at] != "}":
        name, at = cut(at)
        at = step(at)
        if name != '"objects"':
            _, at = cut(at)
        else:
            at = step(at)
            while text[at] != "]":
                found, at = cut(at)
                objects.append(found)
                at = step(at) if text[at] == "," else at
            at = step(at)
        at = step(at) if text[at] == "," else at
    return objects


@pytest.fixture
def corpus(tmp_path):
    """The bundle file, and the texts of its objects."""
    given = os.environ.get("ENTENTE_ATTACK_BUNDLE")
    file = Path(given) if given else tmp_path / "bundle.json"
    if not given:
        file.write_text(made_bundle(600), encoding="utf-8", newline="")
    return file, raw_objects(file.read_bytes().decode("utf-8"))


@pytest.fixture
def imported(alliance, corpus):
    """A reader of a collection into which the command line has imported the corpus."""
    file, _ = corpus
    collection = alliance.collection("ATT&CK", alliance.root())
    importer, reader = alliance.member("importer"), alliance.member("reader")
    alliance.grant(importer, collection, "--write", "--relay")
    alliance.grant(reader, collection, "--read", "red")
    alliance.import_file(collection, file, importer)
    alliance.serve()
    return collection, reader


def test_the_slicer_cuts_what_the_parser_reads():
    text = '{"more" :true, "x":{"objects":[1]},\n"objects": [ {"a" : [1.0, "]}"]} ,{}\t] }'
    assert raw_objects(text) == ['{"a" : [1.0, "]}"]}', "{}"]
    assert raw_objects('{"objects":[]}') == []
    assert raw_objects(" {}") == []
    bundle = made_bundle(60)
    assert [json.loads(raw) for raw in raw_objects(bundle)] == json.loads(bundle)["objects"]


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_every_object_comes_back_byte_for_byte(corpus, imported, wire):
    _, texts = corpus
    collection, reader = imported
    received, following = [], None
    with reader.session() as session:
        session.headers["Accept"] = TAXII
        while True:
            answer = session.get(reader.objects(collection), params={"next": following})
            received += raw_objects(answer.content.decode("utf-8"))
            following = answer.json().get("next")
            if following is None:
                break
    assert sorted(received) == sorted(texts)
    assert len(wire.take()) == ceil(len(texts) / PAGE_SIZE)


def test_every_object_comes_back_alone_byte_for_byte(corpus, imported, wire):
    """One of each kind of object, fetched by its id."""
    _, texts = corpus
    collection, reader = imported
    by_type = {json.loads(text)["type"]: text for text in texts}
    with reader.session() as session:
        session.headers["Accept"] = TAXII
        for text in by_type.values():
            answer = session.get(f"{reader.objects(collection)}{json.loads(text)['id']}/")
            assert raw_objects(answer.content.decode("utf-8")) == [text]
    assert len(wire.take()) == len(by_type)


@pytest.mark.settings(page_size=PAGE_SIZE)
def test_taxii2_client_reads_the_corpus_as_equal_json(corpus, imported, wire):
    _, texts = corpus
    collection, reader = imported
    target = Collection(f"{reader.api_root}collections/{collection}/", **reader.tls)
    pages = as_pages(target.get_objects, per_request=500)
    received = [found for page in pages for found in page["objects"]]
    assert in_order(received) == in_order(map(json.loads, texts))
    assert len(wire.take()) == 1 + ceil(len(texts) / PAGE_SIZE)
