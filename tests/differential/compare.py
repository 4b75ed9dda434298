"""Judges the corpus with everybody, and sorts the disagreements. Started by run.py."""

import argparse
import collections
import json
import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path

from cases import all_cases, sample
from entente import Entente
from judges import outside
from settled import Settled

TARGET = Path(__file__).resolve().parent.parent.parent / "target"
SHOWN = 40


def main():
    options = arguments()
    cases = all_cases()
    if not options.full:
        cases = sample(cases, options.sample, options.seed)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ours = Entente(options.entente, Path(folder)).verdicts(cases)
    between = time.monotonic()
    with multiprocessing.Pool() as pool:
        theirs = pool.map(outside, cases, chunksize=100)
    print(
        f"{len(cases)} cases; ours took {between - started:.0f} s, "
        f"the others {time.monotonic() - between:.0f} s"
    )
    return conclude(Outcome(cases, ours, theirs), full=options.full)


def arguments():
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--entente", type=Path, default=TARGET / "release" / "entente")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--sample", type=int, default=8000, metavar="N", help="so many cases (8000)")
    size.add_argument("--full", action="store_true", help="every case")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    return parser.parse_args()


class Outcome:
    """All verdicts, compared."""

    def __init__(self, cases, ours, theirs):
        self.settled = Settled()
        self.tally = collections.defaultdict(collections.Counter)
        self.open = []
        self.invalid = []
        self.of_valid = {}
        for case, our, others in zip(cases, ours, theirs, strict=True):
            if case.mutation == "valid":
                self.of_valid[case.type, case.variant] = others
                if not our.accepted:
                    self.invalid.append((case, our))
        for case, our, others in zip(cases, ours, theirs, strict=True):
            for judge, their in others.items():
                self.compare(case, judge, our, their)

    def says_nothing(self, case, judge, their):
        """Whether the judge refuses a mutation only for what it refuses the valid object for."""
        of_valid = self.of_valid.get((case.type, case.variant), {}).get(judge)
        if of_valid is None or case.mutation == "valid" or their.accepted:
            return False
        return {bare(o) for o in their.objections} <= {bare(o) for o in of_valid.objections}

    def compare(self, case, judge, our, their):
        tally = self.tally[judge]
        tally["crashes"] += their.crashed
        if our.accepted == their.accepted:
            tally["both accept" if our.accepted else "both refuse"] += 1
            return
        if self.says_nothing(case, judge, their):
            tally["of the valid object"] += 1
            return
        refuses, refusing = (judge, their) if our.accepted else ("entente", our)
        unexplained = self.settled.explain(judge, case, refuses, refusing.objections)
        tally["open" if unexplained else "settled"] += 1
        if unexplained:
            self.open.append((judge, refuses, case, unexplained))


def conclude(outcome, full):
    """Prints what was found; 1 when something is not as the list says."""
    for judge, tally in outcome.tally.items():
        print(f"{judge}: " + ", ".join(f"{count} {name}" for name, count in tally.most_common()))
    stale = outcome.settled.stale() if full else []
    for entry in stale:
        print(f"STALE, nothing is so: {entry}")
    for case, verdict in outcome.invalid:
        print(f"REFUSED though valid: {case}: {verdict.objections}\n    {case.text}")
    report_open(outcome.open)
    return 1 if stale or outcome.invalid or outcome.open else 0


def report_open(found):
    """One example of each kind, and all of them in a file."""
    groups = collections.defaultdict(list)
    for judge, refuses, case, objections in found:
        groups[judge, refuses, skeleton(objections[0])].append((case, objections))
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for (judge, refuses, _), members in ordered[:SHOWN]:
        case, objections = members[0]
        print(f"OPEN {len(members)} times, {judge}, {refuses} refuses: {case}")
        print(f"    {objections[0][:300]}\n    {case.text[:600]}")
    if len(ordered) > SHOWN:
        print(f"and {len(ordered) - SHOWN} kinds more")
    path = TARGET / "differential-open.ndjson"
    path.write_text("".join(line(*each) + "\n" for each in found))
    if found:
        print(f"all of them: {path}")


def bare(objection):
    """An objection without the object it is about."""
    return re.sub(r"^[a-z0-9-]+--\S+: |\{.*\}", "", objection)


def skeleton(objection):
    """An objection without what it quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\{.*\}|\[.*\]|\S*/\S*|\S*--\S*|\d+", "*", objection)[:120]


def line(judge, refuses, case, objections):
    words = {name: getattr(case, name) for name in ("type", "variant", "at", "data", "mutation")}
    said = {"judge": judge, "refuses": refuses, "objections": objections, "text": case.text}
    return json.dumps(words | said)


if __name__ == "__main__":
    sys.exit(main())
