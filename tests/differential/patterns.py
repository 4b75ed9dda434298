"""Patterns (§9): written by hand, generated from the grammar, and with their tokens disturbed."""

import re

BY_HAND = {
    "one comparison": "[file:name = 'x']",
    "all operators": "[file:size > 1 AND file:size >= 1 AND file:size < 9 AND file:size <= 9]",
    "not equal twice": "[file:name != 'x' OR file:name <> 'x']",
    "equal twice": "[file:name == 'x']",
    "set": "[file:name IN ('a', 'b')]",
    "set of numbers": "[file:size NOT IN (1, 2)]",
    "set of one": "[file:name IN ('a')]",
    "like": "[file:name LIKE 'a%']",
    "matches": "[file:name NOT MATCHES '^a.*\\\\.exe$']",
    "network": "[ipv4-addr:value ISSUBSET '198.51.100.0/24']",
    "network above": "[ipv6-addr:value ISSUPERSET '2001:db8::/32']",
    "exists": "[EXISTS file:hashes.MD5]",
    "exists not": "[NOT EXISTS file:hashes.MD5]",
    "hash": "[file:hashes.'SHA-256' = '" + "0a" * 32 + "']",
    "hash of another length": "[file:hashes.MD5 = '0a']",
    "two types with OR": "[file:name = 'x' OR url:value = 'https://host.example/']",
    "two types with AND": "[file:name = 'x' AND url:value = 'https://host.example/']",
    "two types in brackets": "[(file:name = 'x' OR url:value = 'u') AND file:size = 1]",
    "list": "[file:extensions.'windows-pebinary-ext'.sections[*].entropy > 7.0]",
    "list item": "[email-message:to_refs[0].value = 'desk@mail.example']",
    "reference": "[network-traffic:src_ref.value = '198.51.100.7']",
    "observed together": "[file:name = 'x'] AND [url:value = 'u']",
    "one after the other": "[file:name = 'x'] FOLLOWEDBY [url:value = 'u']",
    "in brackets": "([file:name = 'x'] OR [file:name = 'y']) WITHIN 300 SECONDS",
    "times": "[file:name = 'x'] REPEATS 5 TIMES",
    "no times": "[file:name = 'x'] REPEATS 0 TIMES",
    "in no time": "[file:name = 'x'] WITHIN 0 SECONDS",
    "in part of a second": "[file:name = 'x'] WITHIN 0.5 SECONDS",
    "between": "[file:name = 'x'] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
    "between, empty": "[file:name = 'x'] "
    "START t'2024-01-01T00:00:00Z' STOP t'2024-01-01T00:00:00Z'",
    "between texts": "[file:name = 'x'] START '2024-01-01T00:00:00Z' STOP '2024-01-02T00:00:00Z'",
    "all qualifiers": "[file:name = 'x'] REPEATS 2 TIMES WITHIN 9 SECONDS "
    "START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'",
    "a qualifier twice": "[file:name = 'x'] WITHIN 5 SECONDS WITHIN 6 SECONDS",
    "a qualifier twice in brackets": "([file:name = 'x']) WITHIN 5 SECONDS WITHIN 6 SECONDS",
    "time": "[file:ctime > t'2024-02-29T12:00:00.5Z']",
    "no such day": "[file:ctime > t'2023-02-29T12:00:00Z']",
    "leap second": "[file:ctime > t'2016-12-31T23:59:60Z']",
    "offset": "[file:ctime > t'2024-02-29T12:00:00+00:00']",
    "octets": "[artifact:payload_bin = b'aGVsbG8=']",
    "no octets": "[artifact:payload_bin = b'']",
    "bad base64": "[artifact:payload_bin = b'a']",
    "hexadecimal": "[file:magic_number_hex = h'FFd8']",
    "odd hexadecimal": "[file:magic_number_hex = h'ffd']",
    "truth": "[process:is_hidden = true]",
    "truth in capitals": "[process:is_hidden = TRUE]",
    "signed": "[process:pid = +1 OR process:pid = -1]",
    "fraction": "[file:extensions.'x-toy-ext'.rank = .5]",
    "dot last": "[file:size = 1.]",
    "exponent": "[file:size = 1e5]",
    "beyond 2^53": "[file:size = 9007199254740992]",
    "leading zero": "[file:size = 007]",
    "escapes": "[file:name = 'it\\'s \\\\']",
    "other letters": "[file:name = 'été 😀']",
    "no text": "[file:name = '']",
    "line feed in text": "[file:name = 'a\nb']",
    "wrong escape": "[file:name = '\\x']",
    "comment": "[file:name = 'x'] // why",
    "comment first": "/* why */ [file:name = 'x']",
    "comment within": "[file:name /* why */ = 'x']",
    "spaces": " [ file : name = 'x' ] ",
    "no spaces": "[file:size=1AND file:name='x']",
    "line feeds": "[\nfile:name\n=\n'x'\n]",
    "other spaces": "[file:name\u00a0=\u3000'x']",
    "type of one's own": "[x-toy:rank = 1]",
    "short type": "[app:id = 'x']",
    "type of two letters": "[ab:name = 'x']",
    "type with capitals": "[File:name = 'x']",
    "type with underscore": "[a_b:name = 'x']",
    "type in quotes": "['file':name = 'x']",
    "unknown property": "[file:no_such = 'x']",
    "property of two letters": "[x-toy:ab = 'x']",
    "property with hyphen": "[file:a-b = 'x']",
    "property in quotes": "[file:'a-b' = 'x']",
    "empty property": "[file:'' = 'x']",
    "keyword as a property": "[file:AND = 'x']",
    "keyword in small letters": "[file:name = 'x' and file:size = 1]",
    "item of a number": "[file:name[-1] = 'x']",
    "item without name": "[file:[0] = 'x']",
    "empty set": "[file:name IN ()]",
    "mixed set": "[file:name IN (1, 'a')]",
    "set with a comma last": "[file:name IN (1,)]",
    "order of truths": "[process:is_hidden > true]",
    "like a number": "[file:name LIKE 5]",
    "not before equal": "[file:name NOT = 'x']",
    "not before a comparison": "[NOT file:name = 'x']",
    "path right": "[file:name = file:name]",
    "constant left": "['x' = file:name]",
    "brackets deep": "[" + "(" * 20 + "file:name = 'x'" + ")" * 20 + "]",
    "brackets open": "[file:name = 'x'",
    "text open": "[file:name = 'x]",
    "empty": "",
    "only brackets": "[]",
    "no brackets": "file:name = 'x'",
    "round brackets": "()",
    "after the end": "[file:name = 'x'] 7",
    "AND last": "[file:name = 'x'] AND",
    "STIX 1": "file:name EQ 'x'",
}

SPACES = [" "] * 12 + ["", "\t", "\n", "  ", "\u00a0", "\u3000", " /* c */ ", " // c\n"]
LETTERS = ["a", "B", "%", "_", "\\\\", "\\'", "é", "😀", " ", "[", "(", '"', "."]
TYPES = ["file", "ipv4-addr", "x-y", "url"]
NAMES = ["value", "name", "'windows-pebinary-ext'", "MD5", "dst_ref", "a_b", "'SHA-256'"]
OPERATORS = ["=", "=", "!=", ">", "<", ">=", "<=", "==", "<>", "IN", "LIKE", "MATCHES", "ISSUBSET"]
JOINS = [" AND ", " OR ", " FOLLOWEDBY "]
# §9.4: a token is a constant, a word, an operator or a bracket.
TOKEN = re.compile(r"[thb]?'(?:[^'\\]|\\.)*'|[A-Za-z_][\w-]*|[+-]?[\d.]+|[<>=!]+|\s+|.", re.S)
TOKENS = (
    "[ ] ( ) ' \\ : . , = - AND OR NOT and * 0 1 -1 t'x' h'0' b'A' true 'x' /* // é { \" +".split()
)
TOKENS += [
    "FOLLOWEDBY",
    "WITHIN",
    "SECONDS",
    "REPEATS",
    "TIMES",
    "START",
    "STOP",
    "EXISTS",
    "\u200b",
]


class Grammar:
    """Writes valid patterns, each from a random number generator of the caller's."""

    def __init__(self, random):
        self.random = random
        self.pick = random.choice

    def observation(self, depth=0):
        if depth > 2 or self.random.random() < 0.6:
            inner = self.condition(self.pick(TYPES))
            return f"[{self.pick(SPACES)}{inner}{self.pick(SPACES)}]{self.qualifiers()}"
        count = self.random.randrange(2, 4)
        inner = self.pick(JOINS).join(self.observation(depth + 1) for _ in range(count))
        return f"({inner}){self.qualifiers()}"

    def qualifiers(self):
        chosen = self.random.sample(["within", "repeats", "between"], self.pick([0, 0, 0, 1, 1, 2]))
        return "".join(" " + getattr(self, name)() for name in chosen)

    def within(self):
        return f"WITHIN {self.pick(['1', '5', '300', '0.5', '1.0'])} SECONDS"

    def repeats(self):
        return f"REPEATS {self.pick(['1', '5', '1280'])} TIMES"

    def between(self):
        first, second = sorted([self.time(), self.time()])
        return f"START {first} STOP {second}" if first[:-2] < second[:-2] else self.within()

    def condition(self, kind, depth=0):
        if depth > 2 or self.random.random() < 0.6:
            return self.comparison(kind)
        count = self.random.randrange(2, 4)
        inner = self.pick(JOINS[:2]).join(self.condition(kind, depth + 1) for _ in range(count))
        return f"({inner})" if self.random.random() < 0.5 else inner

    def comparison(self, kind):
        path = self.path(kind)
        if self.random.random() < 0.08:
            return self.pick(["EXISTS ", "NOT EXISTS "]) + path
        operator = self.pick(OPERATORS)
        constants = [self.text, self.text, self.integer, self.fraction, self.hex, self.octets]
        constant = self.pick([*constants, self.time] + [self.truth] * (operator[0] in "=!"))
        value = self.text() if operator.isalpha() else constant()
        if operator == "IN":
            value = "(" + ", ".join(constant() for _ in range(self.random.randrange(1, 4))) + ")"
        return f"{path} {self.pick(['', '', '', 'NOT '])}{operator} {value}"

    def path(self, kind):
        steps = ["." + self.pick(NAMES), "." + self.pick(NAMES), "[*]", "[0]", "[12]"]
        tail = "".join(self.pick(steps) for _ in range(self.random.randrange(3)))
        return f"{kind}:{self.pick(NAMES)}{tail}"

    def text(self):
        return "'" + "".join(self.pick(LETTERS) for _ in range(self.random.randrange(5))) + "'"

    def time(self):
        numbers = [self.random.randrange(*span) for span in SPANS]
        return (
            "t'%04d-%02d-%02dT%02d:%02d:%02d" % tuple(numbers)
            + self.pick(["", ".1", ".000"])
            + "Z'"
        )

    def integer(self):
        return self.pick(["0", "1", "-1", "+8", "443", "9007199254740991"])

    def fraction(self):
        return self.pick(["0.5", ".5", "-7.25", "+1.0", "00.5"])

    def hex(self):
        return self.pick(["h''", "h'ff'", "h'FFd8'"])

    def octets(self):
        return self.pick(["b'ABI='", "b'AA=='", "b'AAAA'"])

    def truth(self):
        return self.pick(["true", "false"])


SPANS = [(1990, 2030), (1, 13), (1, 29), (0, 24), (0, 60), (0, 60)]


def disturbed(pattern, random):
    """One token deleted, doubled, swapped with the next, or replaced; sometimes two."""
    tokens = TOKEN.findall(pattern)
    names = []
    for _ in range(random.choice([1, 1, 2])):
        at = random.randrange(len(tokens)) if tokens else 0
        names.append(random.choice(["deleted", "doubled", "swapped", "replaced", "added"]))
        tokens[at : at + 2] = disturb(names[-1], tokens[at : at + 2], random.choice(TOKENS))
    return " and ".join(names), "".join(tokens)


def disturb(name, tokens, other):
    first, rest = tokens[:1], tokens[1:]
    return {
        "deleted": rest,
        "doubled": first + first + rest,
        "swapped": rest + first,
        "replaced": [other] + rest,
        "added": [other] + tokens,
    }[name]


def patterns(random, count):
    """The patterns by hand, and as many again as asked for: half of them valid."""
    yield from ((f"pattern: {name}", pattern) for name, pattern in BY_HAND.items())
    grammar = Grammar(random)
    for _ in range(count // 2):
        valid = grammar.observation()
        yield "pattern: generated", valid
        name, pattern = disturbed(
            random.choice([valid, random.choice(list(BY_HAND.values()))]), random
        )
        yield f"pattern: token {name}", pattern
