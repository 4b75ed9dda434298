"""STIX 2.1 objects for the tests: small, valid, each with an id of its own."""

import json
from uuid import UUID, uuid4, uuid5

WHEN = "2024-05-01T09:00:00.000Z"

TLP1 = {
    "white": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "red": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
TLP2 = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}

# STIX 2.1 §2.9: cyber-observables derive their ids from their values.
OBSERVABLES = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")


def sdo(kind, **properties):
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid4()}",
        "created": WHEN,
        "modified": WHEN,
        **properties,
    }


def indicator(label, **properties):
    pattern = f"[domain-name:value = '{label}.example.org']"
    return sdo(
        "indicator",
        name=label,
        pattern=pattern,
        pattern_type="stix",
        valid_from=WHEN,
        **properties,
    )


def indicators(count, **properties):
    return [indicator(f"c2-{number}", **properties) for number in range(count)]


def malware(name, **properties):
    return sdo("malware", name=name, is_family=False, **properties)


def identity(name, **properties):
    return sdo("identity", name=name, identity_class="organization", **properties)


def relationship(source, verb, target):
    return sdo(
        "relationship",
        source_ref=source["id"],
        relationship_type=verb,
        target_ref=target["id"],
    )


def ipv4(value):
    """An observable as most tools write it: no spec_version, no dates."""
    name = json.dumps({"value": value}, separators=(",", ":"))
    return {"type": "ipv4-addr", "id": f"ipv4-addr--{uuid5(OBSERVABLES, name)}", "value": value}


def statement(text):
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": f"marking-definition--{uuid4()}",
        "created": WHEN,
        "definition_type": "statement",
        "definition": {"statement": text},
    }


def marked(level):
    """The properties that mark an object with a TLP 2.0 level."""
    return {"object_marking_refs": [TLP2[level]]}


def newer(stix_object, modified, **changes):
    return {**stix_object, "modified": modified, **changes}


def spoilt(stix_object):
    """The object with an id that does not agree with its type: no server may take it."""
    return {**stix_object, "id": stix_object["id"].replace("indicator--", "malware--")}


def bundle(objects):
    return {"type": "bundle", "id": f"bundle--{uuid4()}", "objects": objects}


def in_order(objects):
    """The objects sorted by id and version: equal lists mean that each arrived exactly once."""
    return sorted(objects, key=lambda found: (found["id"], found.get("modified", "")))
