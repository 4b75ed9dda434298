"""What can be wrong with a valid object: every property of it, changed in every way we know.

Each change has a name, such as `value null` or `time: offset`, that the list of disagreements uses.
"""

import copy
import json

from objects import EXTENSION, OTHER, UUID, value_of
from schemas import categories, schema_of

REMOVED = object()

WRONG = [None, True, 7, 1.5, "", "x", [], {}, [["x"]], {"x": {"x": 7}}]

TIMES = {
    "seconds only": "2024-02-29T12:00:00Z",
    "one digit": "2024-02-29T12:00:00.5Z",
    "two digits": "2024-02-29T12:00:00.12Z",
    "nine digits": "2024-02-29T12:00:00.123456789Z",
    "bare dot": "2024-02-29T12:00:00.Z",
    "comma": "2024-02-29T12:00:00,123Z",
    "offset": "2024-02-29T12:00:00.123+00:00",
    "no zone": "2024-02-29T12:00:00.123",
    "small z": "2024-02-29T12:00:00.123z",
    "small t": "2024-02-29t12:00:00.123Z",
    "space for T": "2024-02-29 12:00:00.123Z",
    "date only": "2024-02-29",
    "no such day": "2023-02-29T12:00:00.123Z",
    "no such month": "2024-13-01T12:00:00.123Z",
    "hour 24": "2024-02-29T24:00:00.123Z",
    "leap second": "2016-12-31T23:59:60.123Z",
    "second 60 at noon": "2016-12-31T12:00:60.123Z",
    "second 61": "2016-12-31T23:59:61.123Z",
    "short year": "24-02-29T12:00:00.123Z",
    "long year": "12024-02-29T12:00:00.123Z",
    "year 0": "0000-02-29T12:00:00.123Z",
    "year 9999": "9999-12-31T23:59:59.999Z",
    "line feed after": "2024-02-29T12:00:00.123Z\n",
    "space before": " 2024-02-29T12:00:00.123Z",
    "other digits": "２０２４-02-29T12:00:00.123Z",
}

# What can follow the two hyphens of an identifier.
UUIDS = {
    "no UUID": "x",
    "nothing": "",
    "capitals": UUID.upper(),
    "version 0": "4d22aae0-2bf9-0427-8819-e4f6abf20a53",
    "version 1": "4d22aae0-2bf9-1427-8819-e4f6abf20a53",
    "version 5": "4d22aae0-2bf9-5427-8819-e4f6abf20a53",
    "version 7": "4d22aae0-2bf9-7427-8819-e4f6abf20a53",
    "version 8": "4d22aae0-2bf9-8427-8819-e4f6abf20a53",
    "version 9": "4d22aae0-2bf9-9427-8819-e4f6abf20a53",
    "another variant": "4d22aae0-2bf9-4427-c819-e4f6abf20a53",
    "nil": "00000000-0000-0000-0000-000000000000",
    "no hyphens": UUID.replace("-", ""),
    "braces": "{" + UUID + "}",
    "short": UUID[:-1],
    "long": UUID + "0",
    "no hexadecimal": UUID[:-1] + "g",
    "line feed after": UUID + "\n",
    "a third hyphen": "-" + UUID,
}

LANGUAGES = {
    "language alone": "fr",
    "three letters": "yue",
    "region": "pt-BR",
    "script and region": "zh-Hant-TW",
    "variant": "sl-rozaj-biske",
    "private": "x-toy",
    "grandfathered": "i-klingon",
    "undetermined": "und",
    "unregistered": "qq-QQ",
    "underscore": "en_US",
    "nine letters": "abcdefghi",
    "hyphen at the end": "en-",
    "a space": "en US",
    "a word": "English",
}

FORMS = {
    "timestamp": ("time", TIMES),
    "timestamp-of-version": ("time", TIMES),
    "language": ("language", LANGUAGES),
    "hex": (
        "hex",
        {
            "odd": "0af",
            "capitals": "0AFF",
            "no hexadecimal": "0g",
            "prefix": "0x0a",
            "newline": "0a\n",
        },
    ),
    "binary": (
        "base64",
        {
            "no padding": "aGVsbG8",
            "URL alphabet": "_-__",
            "space": "aGVs bG8=",
            "padding within": "aGV=bG8=",
            "bits left over": "aGVsbG9=",
            "no base64": "a?",
        },
    ),
    "selector": (
        "selector",
        {
            "another property": "type",
            "absent property": "no_such",
            "a member": "granular_markings.[0].marking_ref",
            "no such item": "granular_markings.[1]",
            "index without brackets": "granular_markings.0",
            "an item of a string": "type.[0]",
            "a member of a string": "type.name",
            "dot at the end": "type.",
            "dot before": ".type",
            "only an index": "[0]",
            "capitals": "Type",
            "a space": "type ",
            "newline": "type\n",
        },
    ),
    "type": (
        "type",
        {
            "capitals": "Campaign",
            "two hyphens": "x--toy",
            "underscore": "x_toy",
            "digit first": "7toy",
            "hyphen first": "-toy",
            "hyphen last": "toy-",
            "two letters": "xy",
            "another": "tool",
            "space": "tool ",
        },
    ),
    "spec-version": ("version", {"2.0": "2.0", "2.2": "2.2", "3.0": "3.0", "2": "2"}),
}

# Forms of one property of one type.
AT = {
    "ipv4-addr.value": [
        "198.51.100.7",
        "198.51.100.256",
        "198.51.100.7/33",
        "198.51.100",
        "a.b.c.d",
    ],
    "ipv6-addr.value": [
        "2001:db8::1",
        "::ffff:1.2.3.4",
        "2001::db8::1",
        "2001:db8::/129",
        "fe80::1%1",
    ],
    "mac-addr.value": ["D2:FB:49:24:37:18", "d2-fb-49-24-37-18", "d2:fb:49:24:37", "d2fb49243718"],
    "url.value": ["no url", "host.example/path", "https://", "urn:x:y", "https://ho st.example/"],
    "domain-name.value": [
        "https://host.example",
        "host",
        "ho st.example",
        "bücher.example",
        "_a.host.example",
    ],
    "email-addr.value": [
        "desk",
        "Desk <desk@mail.example>",
        '"a b"@mail.example',
        "a@b@mail.example",
    ],
    "relationship.relationship_type": ["Related-To", "related to", "related_to", "eats", "-", "é"],
    "location.country": ["SE", "Sweden", "swe", "zz"],
    "location.region": ["northern-europe", "Northern Europe"],
    "software.cpe": [
        "cpe:/a:maker:writer",
        "cpe:2.3:a:maker",
        "cpe:2.3:x:a:b:c:d:e:f:g:h:i:j",
        "x:2.3",
    ],
    "software.languages": [["eng"], ["en"], ["en-US"], ["en_US"], ["zz-ZZ"]],
    "windows-registry-key.key": [
        "HKLM\\Software",
        "hklm\\software",
        "hkey_users",
        "Software",
        "HKU",
    ],
    "network-traffic.protocols": [["no-such"], ["TCP"], ["ipv4"]],
    "indicator.pattern_type": ["yara", "own", "STIX"],
    "indicator.pattern_version": ["2.0", "1", "x"],
    "observed-data.number_observed": [1, 1000, 999999999],
    "artifact.mime_type": ["chemical/x-own", "text", "TEXT/PLAIN", "text/plain; charset=utf-8"],
    "file.mime_type": ["chemical/x-own", "text"],
    "file.name_enc": ["utf-8", "no-such", "ISO-8859-1"],
    "directory.path_enc": ["utf-8", "no-such"],
    "email-message.additional_header_fields": [{"Received": ["by a"]}, {"Received": "by a"}],
    "email-message.content_type": ["text/plain", "no type"],
    "autonomous-system.rir": ["RIPE", "own"],
    "malware.is_family": [False],
    "extension-definition.extension_properties": [["Toy"], ["a"], ["toy-rank"], ["9toy"]],
    "extension-definition.extension_types": [["new-sdo"], ["new-sdo", "new-sdo"]],
    "extension-definition.schema": ["https://host.example/schema.json", "{}"],
    "language-content.contents": [
        {"de": {"name": 7}},
        {"de": {"No Name": "x"}},
        {"de": {"d": "x"}},
        {"de": {"name": None}},
        {"de": {}},
        {"xx-yy-zz": {"name": "x"}},
        {"d_e": {"name": "x"}},
    ],
    "marking-definition.definition": [
        {"tlp": "red"},
        {"tlp": "purple"},
        {"text": "x"},
        {"statement": 7},
    ],
    "marking-definition.definition_type": ["tlp", "own", "x-own"],
    "marking-definition.name": ["TLP:RED", "TLP:WHITE", "own"],
    "attack-pattern.external_references": [
        [{"source_name": "capec", "external_id": "CAPEC-163"}],
        [{"source_name": "capec", "external_id": "163"}],
        [{"source_name": "capec", "url": "https://host.example/"}],
    ],
    "vulnerability.external_references": [
        [{"source_name": "cve", "external_id": "CVE-2024-12345"}],
        [{"source_name": "cve", "external_id": "2024-1"}],
        [{"source_name": "cve", "url": "https://host.example/"}],
    ],
    "observed-data.object_refs": [
        [f"relationship--{OTHER}"],
        [f"relationship--{OTHER}", f"mutex--{OTHER}"],
        [f"x-toy--{OTHER}"],
    ],
    "observed-data.objects": [
        {"0": {"type": "mutex", "name": "m"}},
        {"0": {"type": "mutex"}},
        {"0": {"name": "m"}},
        {"0": {"type": "x-toy", "size": 3}},
        {"0": {"type": "campaign", "name": "c"}},
    ],
    "bundle.objects": [
        [{"type": "mutex", "id": f"mutex--{OTHER}"}],
        [{"type": "bundle", "id": f"bundle--{OTHER}"}],
        [{"type": "x-toy", "id": f"x-toy--{OTHER}"}],
        [{"type": "mutex", "id": f"url--{OTHER}", "name": "m"}],
        [{"name": "m"}],
    ],
}

KEYS = {
    "space": "a b",
    "dot": "a.b",
    "other letters": "clé",
    "nothing": "",
    "two letters": "ab",
    "capitals": "Key",
    "250 letters": "k" * 250,
    "251 letters": "k" * 251,
}

EXTRA = {
    "x_": ("x_toy", "v"),
    "x_ null": ("x_toy", None),
    "x_ empty list": ("x_toy", []),
    "x_ nested": ("x_toy", [{"a b": [None]}]),
    "without x_": ("toy", 7),
    "capitals": ("Toy", 7),
    "hyphen": ("toy-rank", 7),
    "digit first": ("7toy", 7),
    "underscore first": ("_toy", 7),
    "two letters": ("to", 7),
    "251 letters": ("t" * 251, 7),
    "nothing": ("", 7),
    "reserved": ("severity", "high"),
    "x_ ref": ("x_toy_ref", "no id"),
    "x_ hex": ("x_toy_hex", "0AF"),
}

# What must not come before what, and pairs that only look so.
PAIRS = [
    ("created", "modified"),
    ("first_seen", "last_seen"),
    ("first_observed", "last_observed"),
    ("valid_from", "valid_until"),
    ("start_time", "stop_time"),
    ("start", "end"),
    ("submitted", "analysis_started"),
    ("analysis_started", "analysis_ended"),
    ("account_created", "account_expires"),
    ("account_first_login", "account_last_login"),
    ("validity_not_before", "validity_not_after"),
    ("private_key_usage_period_not_before", "private_key_usage_period_not_after"),
    ("ctime", "mtime"),
    ("start_date", "end_date"),
    ("latitude", "longitude"),
]
EARLY, LATE = "2024-02-29T12:00:00.123Z", "2024-02-29T12:00:00.1234Z"


class Node:
    """A value within an object, and what the schemas say of it."""

    def __init__(self, kind, path, schema, value):
        self.kind = kind
        self.path = path
        self.schema = schema
        self.value = value

    @property
    def name(self):
        return self.schema.name

    @property
    def pointer(self):
        return "".join(f"/{step}" for step in self.path)


def nodes(node):
    """The value and everything within it."""
    yield node
    if isinstance(node.value, dict):
        for name, value in node.value.items():
            part = node.schema.member(name)
            yield from nodes(Node(node.kind, (*node.path, name), part, value))
    if isinstance(node.value, list):
        for index, value in enumerate(node.value):
            yield from nodes(Node(node.kind, (*node.path, index), node.schema.items, value))


def mutated(whole):
    """Every mutation of an object: where, of what kind of value, its name, and the result."""
    kind = whole["type"] if whole["type"] in categories() else "campaign"
    for node in nodes(Node(kind, (), schema_of(kind), whole)):
        for name, value in of_node(node):
            yield node, name, changed(whole, node.path, value)


def changed(whole, path, value):
    if not path:
        return value
    result = copy.deepcopy(whole)
    parent = result
    for step in path[:-1]:
        parent = parent[step]
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(value)
    return result


def of_node(node):
    if node.path:
        yield from replaced(node)
        yield from special(node)
    if isinstance(node.value, dict):
        yield from of_object(node)
    if isinstance(node.value, list):
        yield "item null", [*node.value, None]
        yield "item twice", [*node.value, *node.value[:1]]
    if isinstance(node.value, str):
        yield from of_string(node)
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        yield from of_number(node)


def replaced(node):
    if isinstance(node.path[-1], str):
        yield "removed", REMOVED
    for value in WRONG:
        if not same(value, node.value):
            yield f"value {json.dumps(value)}", value


def same(one, other):
    return type(one) is type(other) and one == other


def special(node):
    """Forms that the data type, or this very property, gives a meaning."""
    family, forms = FORMS.get(node.name, (None, {}))
    for name, form in forms.items():
        yield f"{family}: {name}", form
    if len(node.path) == 1:
        for form in AT.get(f"{node.kind}.{node.path[0]}", []):
            yield f"form {json.dumps(form, ensure_ascii=False)}", form
    if node.schema.keyword("x-references"):
        yield from of_reference(node)
    if node.schema.keyword("enum"):
        yield from of_enum(node)
    if node.schema.keyword("x-vocabulary"):
        outside = "no-such-value"
        yield "vocabulary: other", [outside] if isinstance(node.value, list) else outside
        yield "vocabulary: spaces", ["No Such"] if isinstance(node.value, list) else "No Such"
    if node.schema.keyword("format") == "uri":
        for form in ("no url", "host.example", "https://", "urn:x:y", "https://ho st.example/"):
            yield f"url {form}", form


def of_reference(node):
    """One reference to each type there is, and to types there are not."""
    if isinstance(node.value, list):
        return
    for target in [*categories(), "x-toy", "toy"]:
        yield f"reference to {target}", f"{target}--{OTHER}"


def of_enum(node):
    value = node.schema.keyword("enum")[0]
    if isinstance(value, str):
        yield "enum: outside", "no-such-value"
        yield "enum: other case", value.swapcase()
        yield "enum: space", value + " "


def of_string(node):
    if node.name == "identifier":
        prefix = node.value.partition("--")[0]
        yield from ((f"id: {name}", f"{prefix}--{form}") for name, form in UUIDS.items())
        yield "id: one hyphen", f"{prefix}-{UUID}"
        yield "id: no prefix", UUID
        yield "id: empty prefix", f"--{UUID}"
        yield "id: capitals in prefix", f"{prefix.title()}--{UUID}"
        yield "id: underscore in prefix", f"x_toy--{UUID}"
        yield "id: of another type", f"tool--{UUID}"
    elif node.name == "string":
        yield "text: space", " "
        yield "text: control", "a\u0000b"
        yield "text: lone surrogate", "\ud800"
        yield "text: long", "x" * 5000
    if "hashes" in node.path:
        yield from of_hash(node)


def of_hash(node):
    yield "hash: short", node.value[:-1]
    yield "hash: long", node.value + "0"
    yield "hash: no hexadecimal", "?" + node.value[1:]
    yield "hash: other case", node.value.swapcase()
    yield "hash: newline", node.value + "\n"
    if node.path[-1] == "TLSH":
        yield "hash: T1", "T1" + node.value


def of_number(node):
    low, high = node.schema.keyword("minimum"), node.schema.keyword("maximum")
    if low is not None:
        yield "number: least", low
        yield "number: below", low - 1
    if high is not None:
        yield "number: most", high
        yield "number: above", high + 1
    yield "number: negative", -1
    yield "number: whole with fraction", float(int(node.value))
    yield "number: 2^53", 2**53
    yield "number: 10^400", 10**400
    yield "number: in quotes", str(node.value)


def of_object(node):
    for name, (key, value) in EXTRA.items():
        yield f"extra {name}", {**node.value, key: value}
    if node.name in ("hashes", "dictionary", "observable-container") or not node.schema.properties:
        yield from of_dictionary(node)
    if node.name == "hashes":
        yield from of_hashes(node)
    if node.name in ("extensions", "sco-extensions"):
        yield from of_extensions(node)
    if node.name == "granular-marking":
        yield from of_granular_marking(node)
    if node.kind == "network-traffic" and "end" in node.value:
        yield "pair: end, is_active true", {**node.value, "is_active": True}
    for first, second in PAIRS:
        if first in node.value and second in node.value:
            yield from of_pair(node, first, second)
    if node.path:
        return
    yield from of_whole(node)


def of_dictionary(node):
    if not node.value:
        return
    value = next(iter(node.value.values()))
    for name, key in KEYS.items():
        yield f"key: {name}", {**node.value, key: value}


def of_hashes(node):
    yield "hash: other algorithm", {"CRC-32": "0123abcd"}
    yield "hash: own algorithm", {"x_own": "any"}
    yield "hash: name in small letters", {"sha-256": "0123456789abcdef" * 4}
    yield "hash: name without hyphen", {"SHA256": "0123456789abcdef" * 4}
    yield "hash: name of two letters", {"AB": "0123"}
    yield "hash: only TLSH with T1", {"TLSH": "T1" + "6FF0" * 17 + "2B"}


def of_extensions(node):
    entry = {"extension_type": "property-extension", "rank": 7}
    for kind in ("new-sdo", "new-sco", "new-sro", "toplevel-property-extension"):
        yield f"extension: {kind}", {EXTENSION: {"extension_type": kind}}
    yield "extension: only its type", {EXTENSION: {"extension_type": "property-extension"}}
    yield "extension: no type", {EXTENSION: {"rank": 7}}
    yield "extension: empty", {EXTENSION: {}}
    yield "extension: unknown type", {EXTENSION: {"extension_type": "own"}}
    yield "extension: type of another kind", {EXTENSION: {"extension_type": 7}}
    yield "extension: list", {EXTENSION: [entry]}
    yield "extension: key of another type", {f"tool--{UUID}": entry}
    yield "extension: key without UUID", {"extension-definition--x": entry}
    yield "extension: key word", {"toy": entry}
    yield "extension: key word, no type", {"toy": {"rank": 7}}
    yield "extension: key -ext", {"x-toy-ext": {"rank": 7}}
    yield "extension: key -ext, empty", {"x-toy-ext": {}}
    yield "extension: key -ext with type", {"x-toy-ext": entry}
    yield "extension: key -ext with capitals", {"X-Toy-ext": {"rank": 7}}
    yield "extension: key -ext with underscore", {"x_toy-ext": {"rank": 7}}
    yield "extension: of a file", {"ntfs-ext": {"sid": "1"}}
    yield "extension: of a file with type", {"ntfs-ext": {"sid": "1", **entry}}


def of_granular_marking(node):
    green = node.value["marking_ref"]
    yield "granular: language", {"lang": "fr", "selectors": ["id"]}
    yield "granular: language and marking", {**node.value, "lang": "fr"}
    yield "granular: bad language", {"lang": "en_US", "selectors": ["id"]}
    yield "granular: neither", {"selectors": ["id"]}
    yield "granular: two selectors", {"marking_ref": green, "selectors": ["id", "type"]}
    yield "granular: selector twice", {"marking_ref": green, "selectors": ["id", "id"]}


def of_pair(node, first, second):
    if first == "latitude":
        yield "pair: only latitude", {k: v for k, v in node.value.items() if k != "longitude"}
        return
    name = f"{first}, {second}"
    yield f"pair: equal {name}", {**node.value, first: EARLY, second: EARLY}
    yield f"pair: reversed {name}", {**node.value, first: LATE, second: EARLY}
    yield f"pair: by digits {name}", {**node.value, first: EARLY, second: LATE}
    # The same instant, which a comparison of texts would call later.
    yield f"pair: same instant {name}", {**node.value, first: EARLY[:-1] + "0Z", second: EARLY}


def of_whole(node):
    """What is wrong with the object as a whole."""
    kind = node.kind
    if node.value["type"] != kind:
        return
    yield "whole: marks itself", {**node.value, "object_marking_refs": [node.value["id"]]}
    yield "whole: defanged", {**node.value, "defanged": True}
    for name, part in missing_commons(node):
        yield f"whole: has {name}", {**node.value, name: part}


def missing_commons(node):
    """Common properties of other groups, which this type does not have (§3.2)."""
    common = schema_of("campaign").properties
    for name in (
        "created_by_ref",
        "created",
        "modified",
        "revoked",
        "labels",
        "confidence",
        "lang",
    ):
        if name not in schema_of(node.kind).properties:
            yield name, value_of(common[name], "campaign", name)
