"""Valid objects of every type, made from the schemas.

Where a schema cannot say what a value must be, or properties exclude each other, a table here does.
"""

import copy
import re
from collections import namedtuple

from schemas import categories, schema_of

UUID = "4d22aae0-2bf9-4427-8819-e4f6abf20a53"
# §2.9: another UUID, for ids that must not be the object's own.
OTHER = "b1b0a0c7-7a3c-4a0e-8d5e-0f6f0d1c2e3a"
WHEN = "2024-02-29T12:00:00.123Z"
LATER = "2024-03-01T12:00:00.5Z"
EXTENSION = f"extension-definition--{UUID}"

GROUPS = {"*sdo": "campaign", "*sro": "relationship", "*sco": "mutex", "*meta": "language-content"}

# Values by data type.
BY_NAME = {
    "timestamp": WHEN,
    "timestamp-of-version": WHEN,
    "binary": "aGVsbG8=",
    "hex": "0aff",
    "language": "en-GB",
    "confidence": 55,
    "hashes": {
        "MD5": "0123456789abcdef" * 2,
        "SHA-1": "01234567" * 5,
        "SHA-256": "0123456789ABCDEF" * 4,
        "SHA-512": "0123456789abcdef" * 8,
        "SHA3-256": "0123456789abcdef" * 4,
        "SHA3-512": "0123456789abcdef" * 8,
        "SSDEEP": "96:s4Ud1Lj96tHHlZDrwciQmA+4uy1I0G4HYuL8N3TzS8QsO/wqWXLcMSx"
        ":sF1LjEtHHlZDrJzrhuyZvHYm8tKp/RWO",
        "TLSH": "6FF02BEF718027B0160B4391212923ED7F1A463D563B1549B86CF62973B197AD2731F8",
    },
    "external-reference": {
        "source_name": "register",
        "description": "an entry",
        "url": "https://register.example/entries/1",
        "hashes": {"SHA-256": "0123456789abcdef" * 4},
        "external_id": "1",
    },
    "granular-marking": {
        "marking_ref": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
        "selectors": ["id"],
    },
    "extensions": {EXTENSION: {"extension_type": "property-extension", "rank": 7}},
    "sco-extensions": {EXTENSION: {"extension_type": "property-extension", "rank": 7}},
}

# Values by the property's name, for properties of whatever type, or by type and property.
BY_PROPERTY = {
    "object_marking_refs": ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],
    "defanged": False,
    "valid_until": LATER,
    "last_seen": LATER,
    "last_observed": LATER,
    "stop_time": LATER,
    "end": LATER,
    "analysis_ended": LATER,
    "modified": LATER.replace(".5Z", ".500Z"),
    "mime_type": "text/plain",
    "path_enc": "UTF-8",
    "name_enc": "UTF-8",
    "document_info_dict": {"Title": "a title"},
    "exif_tags": {"Make": "a maker", "XResolution": 4928},
    "startup_info": {"cb": 7},
    "environment_variables": {"LANG": "C"},
    "additional_header_fields": {"Received": ["by a", "by b"]},
    "request_header": {"Accept": ["text/plain", "*/*"]},
    "options": {"SO_LINGER": 7},
    "ipfix": {"minimumIpTotalLength": 32},
    "cpe": "cpe:2.3:a:maker:writer:1.0:*:*:*:*:*:*:*",
    "relationship_type": "related-to",
    "protocols": ["ipv4", "tcp", "http"],
    "time_date_stamp": "2024-02-29T12:00:00Z",
    "pattern": "[file:name = 'x']",
    "pattern_type": "stix",
    "pattern_version": "2.1",
    "country": "se",
    "summary": True,
    "extension_properties": ["toy_rank"],
    "artifact.encryption_algorithm": "mime-type-indicated",
    "email-message.is_multipart": True,
    "domain-name.value": "host.example",
    "email-addr.value": "desk@mail.example",
    "ipv4-addr.value": "198.51.100.0/24",
    "ipv6-addr.value": "2001:db8::/32",
    "mac-addr.value": "d2:fb:49:24:37:18",
    "url.value": "https://host.example/path?query=1",
    "software.languages": ["eng"],
    "windows-registry-key.key": "HKEY_LOCAL_MACHINE\\Software\\Maker",
    "extension-definition.extension_types": ["property-extension", "toplevel-property-extension"],
    "language-content.contents": {"de": {"name": "Feldzug", "goals": ["eins", ""]}},
    "marking-definition.definition_type": "statement",
    "marking-definition.definition": {"statement": "ours"},
    "observed-data.objects": {"0": {"type": "mutex", "id": f"mutex--{OTHER}", "name": "m"}},
    "ACS 3.0.access_privilege": [
        {
            "privilege_action": "DSPLY",
            "privilege_scope": {"permitted_nationalities": ["ALL"], "entity": ["ALL"]},
            "rule_effect": "permit",
        }
    ],
    "bundle.objects": [{"type": "mutex", "id": f"mutex--{OTHER}", "name": "m"}],
}

# Properties that cannot be together, as the properties that a 'full' object lacks. Each line is one
# object, so what one lacks another has.
WITHOUT = {
    "artifact": [["url"], ["payload_bin"]],
    "email-message": [["body"], ["body_multipart"]],
    "observed-data": [["objects"], ["object_refs"]],
    "network-traffic": [["end"], []],
}

# What the type's "at least one of" lets a 'least' object have.
LEAST = {
    "artifact": [["payload_bin"], ["url", "hashes"]],
    "file": [["name"], ["hashes"]],
    "location": [["region"], ["country"], ["latitude", "longitude"]],
    "malware": [["name"], []],
    "malware-analysis": [["result"], ["analysis_sco_refs"]],
    "marking-definition": [["definition_type", "definition"], ["extensions"]],
    "network-traffic": [["src_ref"], ["dst_ref"]],
    "observed-data": [["object_refs"], ["objects"]],
    "process": [["pid"], ["created_time"], ["extensions"]],
    "user-account": [["user_id"], ["is_disabled"]],
    "windows-registry-key": [["key"], ["modified_time"]],
    "x509-certificate": [["issuer"], ["hashes"]],
}

STRINGS = ["text", "https://host.example/", "register_1", UUID]


Valid = namedtuple("Valid", "variant value")


def value_of(schema, kind, name=None):
    """A valid value with every property that the schema knows."""
    by_hand = BY_PROPERTY.get(f"{kind}.{name}", BY_PROPERTY.get(name))
    if by_hand is not None:
        return copy.deepcopy(by_hand)
    if schema.keyword("const") is not None:
        return schema.keyword("const")
    if schema.keyword("enum"):
        return schema.keyword("enum")[0]
    if schema.keyword("x-references"):
        return reference(schema)
    if name == "id":
        return f"{kind}--{UUID}"
    if schema.name in BY_NAME:
        return with_extensions(schema, kind, copy.deepcopy(BY_NAME[schema.name]))
    return by_shape(schema, kind)


def with_extensions(schema, kind, value):
    """Predefined extensions beside the one of our own."""
    if schema.name == "sco-extensions":
        value |= {name: value_of(part, kind) for name, part in schema.properties.items()}
    return value


def reference(schema):
    target = schema.keyword("x-references")[0]
    identifier = f"{GROUPS.get(target, target)}--{OTHER}"
    return [identifier] if "identifier-list" in schema.names else identifier


def by_shape(schema, kind):
    shape = schema.keyword("type")
    if schema.properties:
        return {name: value_of(part, kind, name) for name, part in schema.properties.items()}
    if shape == "array":
        return [value_of(schema.items, kind)]
    if shape == "object":
        return {"key_1": value_of(schema.values, kind)}
    if shape == "string":
        return string_for(schema)
    return {"integer": 7, "number": 1.5, "boolean": True}.get(shape, "text")


def string_for(schema):
    """The first of our strings that the schema's patterns take."""
    if schema.keyword("format") == "uri":
        return "https://host.example/path"
    if schema.keyword("format") == "uuid":
        return UUID
    fitting = (s for s in STRINGS if all(re.search(p, s) for p in schema.patterns()))
    return next(fitting)


def full(kind):
    """Objects with every property that the type has, together with those of its extensions."""
    whole = value_of(schema_of(kind), kind)
    if kind == "extension-definition":
        del whole["extensions"]  # Its own table of common properties has none.
    if kind == "email-message":
        del whole["body_multipart"][0]["body_raw_ref"]
    objects = [lacking(whole, absent) for absent in WITHOUT.get(kind, [[]])]
    for value in objects:
        if kind == "email-message":
            value["is_multipart"] = "body_multipart" in value
        if kind == "network-traffic":
            value["is_active"] = "end" not in value
    return objects


def lacking(value, absent):
    return {name: copy.deepcopy(part) for name, part in value.items() if name not in absent}


def least(kind):
    """Objects with what the type requires, and one of what it requires one of."""
    schema = schema_of(kind)
    whole = value_of(schema, kind)
    objects = []
    for chosen in LEAST.get(kind, [[]]):
        keep = schema.required | set(chosen)
        value = {name: copy.deepcopy(part) for name, part in whole.items() if name in keep}
        if kind == "malware" and not chosen:
            value["is_family"] = False  # §4.11.1: a family has a name.
        if kind == "email-message":
            value["is_multipart"] = False
        objects.append(value)
    return objects


def markings():
    """Marking definitions of each kind: those that the schemas list, and the others."""
    traffic_light = [tlp_1(row) for row in schema_rows("marking-definition", "tlp")]
    traffic_light += [tlp_2(row) for row in schema_rows("TLP 2.0", "marking-definition")]
    permissible = [pap(row) for row in schema_rows("PAP", "marking-definition")]
    return traffic_light + permissible + [iep(), cui(), acs(), own_kind()]


def schema_rows(title, definition):
    """What a table of `if` this `then` that fixes, row by row."""
    document = schema_of(title).parts[-1][0]
    for row in document["$defs"][definition]["allOf"]:
        yield row["if"]["properties"] | row["then"]["properties"]


def marking(identifier, **properties):
    common = {"type": "marking-definition", "spec_version": "2.1", "created": WHEN}
    return {**common, "id": identifier, **properties}


def tlp_1(row):
    return marking(
        row["id"]["const"],
        created="2017-01-20T00:00:00.000Z",
        definition_type="tlp",
        name=row["name"]["const"],
        definition=row["definition"]["const"],
    )


def by_extension(row, extension):
    [(name, value)] = row["extensions"]["additionalProperties"]["properties"].items()
    entry = {"extension_type": "property-extension", name: value["const"]}
    return marking(row["id"]["const"], name=row["name"]["const"], extensions={extension: entry})


def tlp_2(row):
    value = by_extension(row, "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d")
    return {**value, "created": "2022-10-01T00:00:00.000Z"}


def pap(row):
    return by_extension(row, "extension-definition--f8d78575-edfd-406e-8e84-6162a8450f5b")


def iep():
    return extended("IEP 2.0", "762e2e97-ee51-43e5-a9ea-165fbb862c4a", end_date=LATER)


def cui():
    return extended("CUI", "dff17fb3-edcb-4f99-ad1b-4b751c95738a")


def acs():
    return extended(
        "ACS 3.0",
        "3a65884d-005a-4290-8335-cb2d778a83ce",
        identifier=f"isa:guide.19001.ACS3-{UUID}",
        responsible_entity_custodian="ZED.CYBER.DESK-1",
        authority_reference=["urn:isa:authority:own"],
        policy_reference="urn:isa:policy:acs:ns:v3.0?privdefault=permit&sharedefault=deny",
    )


def extended(title, extension, **by_hand):
    """A marking definition with every property of one of the extensions we have a schema for."""
    schema = schema_of(title)
    entry = {}
    for name, part in schema.properties.items():
        entry[name] = by_hand[name] if name in by_hand else value_of(part, title, name)
    return marking(
        f"marking-definition--{UUID}",
        name=title,
        extensions={f"extension-definition--{extension}": entry},
    )


def own_kind():
    return marking(
        f"marking-definition--{UUID}", definition_type="x-own", definition={"rule": "ask"}
    )


def customs():
    """Content that only its maker knows: properties, types, extensions (§7.3, §11)."""
    campaign = least("campaign")[0]
    address = least("url")[0]
    unknown = {**lacking(campaign, ["name"]), "type": "x-toy", "id": f"x-toy--{UUID}", "size": 3}
    return {
        "property x_": {**campaign, "x_rank": 7},
        "property without x_": {**campaign, "rank": [1, {"a": [0]}]},
        "property x_ on an observable": {**address, "x_rank": 7},
        "type x-": unknown,
        "type without x-": {**unknown, "type": "toy", "id": f"toy--{UUID}"},
        "observable x-": {"type": "x-toy", "id": f"x-toy--{UUID}", "size": 3},
        "type by extension": {**unknown, "extensions": {EXTENSION: {"extension_type": "new-sdo"}}},
        "observable by extension": {
            **{"type": "x-toy", "id": f"x-toy--{UUID}", "spec_version": "2.1", "size": 3},
            "extensions": {EXTENSION: {"extension_type": "new-sco"}},
        },
        "relationship by extension": {
            **{**unknown, "source_ref": f"tool--{OTHER}", "target_ref": f"tool--{UUID}"},
            "extensions": {EXTENSION: {"extension_type": "new-sro"}},
        },
        "top-level property": {
            **{**campaign, "toy_rank": 7},
            "extensions": {EXTENSION: {"extension_type": "toplevel-property-extension"}},
        },
        "extension x- of an observable": {**address, "extensions": {"x-toy-ext": {"size": 3}}},
        "extension of an observable": {**address, "extensions": {"toy-ext": {"size": 3}}},
        "reference to a type of one's own": {
            **least("relationship")[0],
            "source_ref": f"x-toy--{UUID}",
        },
    }


def valid_objects():
    """Every valid object, by type and variant."""
    for kind in categories():
        for variant, objects in (("full", full(kind)), ("least", least(kind))):
            for number, value in enumerate(objects, 1):
                yield Valid(f"{variant} {number}", value)
    for value in markings():
        yield Valid(f"marking {value.get('name', value.get('definition_type'))}", value)
    for name, value in customs().items():
        yield Valid(f"custom: {name}", value)
