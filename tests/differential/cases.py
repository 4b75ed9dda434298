"""The corpus: valid objects, their mutations, texts that are odd JSON, and patterns."""

import json
import random

from mutations import mutated
from objects import least, valid_objects
from patterns import BY_HAND, patterns

PATTERNS = 12_000
SEED = 21

# Texts that no JSON writer makes; %s is the members of a campaign.
ODD_TEXTS = {
    "json: a name twice": '{%s, "name": "x"}',
    "json: another name twice": '{%s, "revoked": false, "revoked": true}',
    "json: NaN": '{%s, "confidence": NaN}',
    "json: 1e1": '{%s, "confidence": 1e1}',
    "json: 1e400": '{%s, "confidence": 1e400}',
    "json: -0": '{%s, "confidence": -0}',
    "json: leading zero": '{%s, "confidence": 07}',
    "json: comma last": "{%s,}",
    "json: byte order mark": "\ufeff{%s}",
    "json: after the end": "{%s} 7",
    "json: raw control character": '{%s, "description": "a\tb"}',
    "json: list of one": "[{%s}]",
    "json: number": "7",
    "json: null": "null",
    "json: text": '"campaign"',
    "json: empty list": "[]",
    "json: empty object": "{}",
    "json: nothing": "",
}


class Case:
    """One thing to judge, and the words by which the list of disagreements knows it."""

    def __init__(self, type, at, data, mutation, text, *, variant="", alone=False, pattern=None):
        self.type = type
        self.at = at
        self.data = data
        self.mutation = mutation
        self.text = text
        self.variant = variant
        self.alone = alone
        self.pattern = pattern

    def __str__(self):
        place = f" {self.at} ({self.data})" if self.at else ""
        return f"{self.type}, {self.variant}{place}: {self.mutation}"


def all_cases():
    return [*of_objects(), *of_texts(), *of_patterns()]


def of_objects():
    """Every valid object and every mutation, each text once."""
    seen = set()
    for valid in valid_objects():
        kind = valid.value["type"]
        found = [("", kind, "valid", valid.value)]
        found += [(n.pointer, n.name, name, value) for n, name, value in mutated(valid.value)]
        for at, data, mutation, value in found:
            text = json.dumps(value)
            if text not in seen:
                seen.add(text)
                alone = kind == "bundle" or not isinstance(value, dict)
                yield Case(kind, at, data, mutation, text, variant=valid.variant, alone=alone)


def of_texts():
    members = json.dumps(least("campaign")[0])[1:-1]
    for name, text in ODD_TEXTS.items():
        text = text.replace("%s", members)
        yield Case("campaign", "", "json", name, text, variant="text", alone=True)


def of_patterns():
    """Patterns, each in an indicator for those who judge objects."""
    for name, pattern in patterns(random.Random(SEED), PATTERNS):
        indicator = {**least("indicator")[0], "pattern": pattern}
        yield Case("indicator", "/pattern", "pattern", name, json.dumps(indicator), pattern=pattern)


def sample(cases, count, seed):
    """As many cases as asked for; what is valid or written by hand is always among them."""
    by_hand = {f"pattern: {name}" for name in BY_HAND} | set(ODD_TEXTS) | {"valid"}
    always = [case for case in cases if case.mutation in by_hand]
    others = [case for case in cases if case.mutation not in by_hand]
    return always + random.Random(seed).sample(
        others, max(0, min(count - len(always), len(others)))
    )
