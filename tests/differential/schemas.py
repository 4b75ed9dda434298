"""Reads schemas/stix-2.1: what each property of each type may be.

Only what these schemas use of JSON Schema is known here: a `$ref` beside other keywords, and
`properties`, `items` and `additionalProperties`. Conditions are left to the judges.
"""

import json
from functools import cache
from pathlib import Path
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent.parent.parent / "schemas" / "stix-2.1"


@cache
def documents():
    read = (json.loads(path.read_text()) for path in sorted(ROOT.rglob("*.json")))
    return {document["$id"]: document for document in read if "$id" in document}


@cache
def categories():
    """The group of each type: sdo, sro, sco, meta or bundle."""
    named = {d["title"]: d["x-category"] for d in documents().values() if "x-category" in d}
    return dict(sorted(named.items()))


@cache
def schema_of(kind):
    [document] = [d for d in documents().values() if d["title"] == kind]
    return Schema([(document, document["$id"])])


class Schema:
    """All the schemas that apply to one value, their `$ref`s followed."""

    def __init__(self, sources):
        self.parts = []
        self.names = []
        for schema, base in sources:
            self._follow(schema, base)

    def _follow(self, schema, base):
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            reference = urljoin(base, schema["$ref"])
            self.names.append(reference.rsplit("/", 1)[-1].removesuffix(".json"))
            self._follow(*look_up(reference))
        self.parts.append((schema, base))

    def keyword(self, name, default=None):
        """The keyword where it is said last: a type's own word is narrower than the common one."""
        return next((part[name] for part, _ in reversed(self.parts) if name in part), default)

    def patterns(self):
        return [part["pattern"] for part, _ in self.parts if "pattern" in part]

    @property
    def name(self):
        """What the value is: a data type of the standard, such as timestamp, or a JSON type."""
        if self.keyword("enum") or self.keyword("const") is not None:
            return "enum"
        if self.names:
            return self.names[0]
        kind = self.keyword("type", "any")
        return kind if isinstance(kind, str) else "any"

    @property
    def required(self):
        return {name for part, _ in self.parts for name in part.get("required", [])}

    @property
    def properties(self):
        """Each property with everything that is said of it."""
        said = {}
        for part, base in self.parts:
            for name, schema in part.get("properties", {}).items():
                said.setdefault(name, []).append((schema, base))
        return {name: Schema(sources) for name, sources in said.items() if not forbidden(sources)}

    @property
    def items(self):
        return Schema([(part["items"], base) for part, base in self.parts if "items" in part])

    @property
    def values(self):
        """What the values of a dictionary are."""
        word = "additionalProperties"
        narrowest = [(part[word], base) for part, base in self.parts if word in part][-1:]
        return Schema(narrowest)

    def member(self, name):
        return self.properties.get(name) or self.values


def forbidden(sources):
    return any(schema is False for schema, _ in sources)


def look_up(reference):
    document, _, pointer = reference.partition("#")
    schema = documents()[document]
    for step in pointer.split("/")[1:]:
        schema = schema[step]
    return schema, document
