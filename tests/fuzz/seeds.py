#!/usr/bin/env python3
"""Writes what each target begins with into tests/fuzz/corpus/TARGET: parts of the demo's sample
objects, every property of every type, and a few lines by hand for what they do not have."""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent.parent / "src/cli/demo"
SCHEMAS = HERE.parent.parent / "schemas/stix-2.1"
UUID = "--ff26c055-6336-5bc5-b98d-13d6226742dd"

PATTERNS = r"""
[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f' OR file:name LIKE 'a%']
[ipv4-addr:value ISSUBSET '198.51.100.0/24'] REPEATS 5 TIMES WITHIN 1800.5 SECONDS
([a:b IN (1, -2)] FOLLOWEDBY [NOT EXISTS a:c[*].d[0]]) START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00.5Z'
[(a:b = b'ABI=' OR a:'x-y'.z != h'ffd8') AND a:_ NOT MATCHES '^\\d+\'$' /* comment */] AND [a:b >= .5] // end
[url:value ISSUPERSET '::/0' OR url:x == true OR url:y <> t'2025-02-26T00:00:00Z' OR url:z IN ()]
"""

QUERIES = """
added_after=2025-02-26T00:00:00.000000Z&limit=5&match[type]=indicator,malware&match[spec_version]=2.0,2.1
match%5Bid%5D=indicator--252c7c11-daf2-42bd-843b-be65edca9f61&match[version]=all
match[version]=first,last,2025-02-26T00:00:00.000Z&match[spec_version]=9.9
added_after=2024-01-17T18:11:20.1832+02:00&next=&utm=1
match[version]=2025-02-26T00:00:00Z&next=eyJwIjox
x_entente_dry_run=true&x%5fentente_dry_run=false
"""

TIMES = """
2024-02-29T23:59:60Z 2024-02-29T23:59:59.9999999Z
9999-12-31T23:59:59.999999Z 0000-01-01T00:00:00Z
2024-01-17T18:11:20.183200+02:00 2024-01-17T11:41:20.1832000-04:30
"""

BODIES = [
    '{"more":false,"objects":[ {"a" : 1.0,\n"b":"\\u00e9"} ,[1e2],{}],"x_y":{"z":[null,-0]}}',
    '{"type":"bundle","id":"bundle--1","objects":[{}]}',
    '{"objects":[],"objects":1}',
    '{"type":"indicator"}',
]

OBJECTS = [
    '{"type":"ipv4-addr","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}',
    '{"type":"x","id":"x--ff26c055-6336-5bc5-b98d-13d6226742dd","created":"2020-01-01T00:00:00Z",'
    '"granular_markings":[{"lang":"ko"},{"marking_ref":"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"}]}',
    '[0.1,1e-7,-0.0,5e-324,1.7976931348623157e308,18446744073709551615,-9223372036854775808,[[{"a":{"b":"\\u0000"}}]]]',
]


def lines(text):
    return text.strip().splitlines()


def full_objects():
    """One object of each type with all of its own properties, their values of any kind."""
    values = ["a", ["a"], {"a": "b"}, 1, True, 0.5, "2025-02-26T00:00:00Z", "file" + UUID, ["file" + UUID], [{"a": 1}]]
    for file in sorted(SCHEMAS.rglob("*.json")):
        schema = json.loads(file.read_text())
        if "x-category" in schema:
            names = list(schema.get("properties", {}))
            filled = {name: values[at % len(values)] for at, name in enumerate(names)}
            kind = {"type": file.stem, "id": file.stem + UUID, "spec_version": "2.1", "created": values[6]}
            yield json.dumps(filled | kind)


def seeds():
    """Target → what it begins with."""
    texts = [line for file in sorted(DEMO.glob("*.ndjson")) for line in file.read_text().splitlines()]
    objects = [json.loads(text) for text in texts]
    envelopes = ['{"objects":[%s]}' % ",".join(texts[at : at + 3]) for at in range(0, len(texts), 12)]
    times = [f"{o['created']}\n{o['modified']}" for o in objects if "modified" in o]
    ids = [o["id"] for o in objects]
    return {
        "envelope": BODIES + envelopes,
        "object": OBJECTS + texts + list(full_objects()),
        "pattern": lines(PATTERNS) + [o["pattern"] for o in objects if "pattern" in o],
        "timestamp": [line.replace(" ", "\n") for line in lines(TIMES)] + sorted(set(times))[:20],
        "id": ids[:40] + ["0123456789abcdefintrusion-set"],
        "filter": lines(QUERIES),
        "cursor": ["\0\6\x2a\0\0\0\0\1\2A" + line for line in lines(QUERIES)],
    }


def main():
    for target, texts in seeds().items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for octets in (text.encode() for text in texts):
            (folder / hashlib.sha1(octets).hexdigest()).write_bytes(octets)


if __name__ == "__main__":
    sys.exit(main())
