"""Reads disagreements.toml: where the judges differ, who is right, and which clause says so.

A disagreement is settled when every objection of the side that refuses is explained by an entry.
"""

import re
import tomllib
from pathlib import Path

LIST = Path(__file__).resolve().parent / "disagreements.toml"

# Words of an entry that are regular expressions: the case's own must match as a whole, the
# objection somewhere.
OF_CASE = ("type", "variant", "at", "data", "mutation")
WORDS = {"judge", "refuses", "objection", "pattern", "right", "clause", "why", *OF_CASE}


class Entry:
    def __init__(self, said):
        self.said = said
        self.check()
        self.of_case = {name: re.compile(said[name], re.S) for name in OF_CASE if name in said}
        self.objection = re.compile(said.get("objection", ""), re.S)
        self.pattern = re.compile(said.get("pattern", ""), re.S)
        self.matched = 0

    def check(self):
        unknown = self.said.keys() - WORDS
        absent = {"judge", "refuses", "right", "clause", "why"} - self.said.keys()
        vague = not self.said.keys() & {"objection", "pattern", "mutation"}
        if unknown or absent or vague or self.said["right"] not in ("entente", "open"):
            raise SystemExit(f"{LIST.name}: this entry is not well formed: {self.said}")

    def about(self, judge, refuses, case):
        """Whether it is about such a disagreement, whatever the objections."""
        if self.said["judge"] != judge or self.said["refuses"] != refuses:
            return False
        words = (re_.fullmatch(getattr(case, name)) for name, re_ in self.of_case.items())
        return all(words) and bool(self.pattern.search(case.pattern or ""))

    def __str__(self):
        return "{judge}, {refuses} refuses: {why} ({clause})".format(**self.said)


class Settled:
    def __init__(self):
        self.entries = [Entry(said) for said in tomllib.loads(LIST.read_text())["disagreement"]]

    def explain(self, judge, case, refuses, objections):
        """The objections that no entry explains."""
        entries = [entry for entry in self.entries if entry.about(judge, refuses, case)]
        open_ = []
        for objection in objections:
            found = next((entry for entry in entries if entry.objection.search(objection)), None)
            if found:
                found.matched += 1
            else:
                open_.append(objection)
        return open_

    def stale(self):
        return [entry for entry in self.entries if not entry.matched]
