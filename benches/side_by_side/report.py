"""What was found, as Markdown: the targets held against it, and all figures."""

import re
from statistics import median

MIB = 1 << 20
# What is read from disk for an answer is told if it is this much, in octets: half a page of the store.
MENTIONED = 8 << 10
BIG, SMALL = 1_000_000, 20_000
# CPU for a first page of 100 at 20,000 objects, in milliseconds, as measured once on two cores over
# mTLS: of nginx with the same bytes as a static file, and of two servers with PostgreSQL.
ONCE = {"nginx": 0.13, "darwis-taxii": 33, "OpenTAXII 0.9.3": 168}


def markdown(found):
    """The results file."""
    sizes = {int(size): Size(measured) for size, measured in found["sizes"].items()}
    parts = [_about(found["about"]), _targets(sizes)]
    for size, measured in sizes.items():
        parts += [f"## {size:,} objects", *measured.parts()]
    parts += [_peers(found["peers"])] if found["peers"] else []
    return "\n\n".join(parts) + "\n"


class Size:
    """What was found with a collection of one size."""

    def __init__(self, measured):
        self.measured = measured
        self.reading = measured["reading"]

    def middle(self, key, server, what):
        return median(each[what] for each in self.reading[key][server])

    def ratios(self, key, what="cpu_micros"):
        """Entente over nginx, round by round."""
        kept = self.reading[key]
        return [own[what] / other[what] for own, other in zip(kept["entente"], kept["nginx"], strict=True)]

    def ratio(self, key):
        return median(self.ratios(key)) if key in self.reading else None

    def amiss(self, key):
        """In what the two did not do the same work, if so."""
        kept = self.reading[key]
        return "; ".join(filter(None, [*_answers(kept), _octets(kept), _agreed(kept)])) or None

    def rate(self, envelope):
        """Objects pushed a second."""
        return median(each["rate"] * int(envelope) for each in self.measured["pushing"][envelope])

    def bare(self, envelope, together):
        return median(self.measured["bare"][envelope][together])

    def memory(self, kind):
        kept = [each for work in self.reading.values() for each in work["entente"]]
        kept += [each for rounds in self.measured["pushing"].values() for each in rounds]
        return max(each["memory"][kind] for each in kept)

    def parts(self):
        yield self._reading_table()
        if self.measured["pushing"]:
            yield self._pushing_table()
        yield self._rest()

    def _reading_table(self):
        lines = [
            "CPU is of all processes of the server, for one request; p99 is what one of 16 clients waits (8 that"
            " connect anew each time). Ratios are Entente ÷ nginx, the median of all rounds; in brackets, the"
            " lowest and the highest round.",
            "",
            "| work | CPU µs, Entente | nginx | ratio | requests/s, Entente | nginx | ratio | p99 ms, Entente | nginx | ratio |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for key, kept in self.reading.items():
            cells = [kept["title"]]
            for what, digits in (("cpu_micros", 1), ("rate", 0), ("p99", 1)):
                cells += [f"{self.middle(key, server, what):,.{digits}f}" for server in ("entente", "nginx")]
                ratios = self.ratios(key, what)
                spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if what == "cpu_micros" else ""
                cells.append(f"{median(ratios):.2f}{spread}")
            if amiss := self.amiss(key):
                cells[0] += f" – {amiss}"
            if (read := self.middle(key, "entente", "from_disk")) >= MENTIONED:
                cells[0] += f" – {read / 1024:.0f} KiB of each from disk"
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def _pushing_table(self):
        lines = [
            "Pushes over 8 connections to a collection of their own, nearly empty at first, in the store that has all"
            " of these objects; each answered once its objects are judged and on disk. And the bare store: the same"
            " rows, prepared, committed one envelope or eight at a time by one who does nothing else.",
            "",
            "| objects in an envelope | objects/s | CPU µs/object | p99 ms of a push | bare store, one at a time | ÷ | eight | ÷ | answers |",
            "|--:|--:|--:|--:|--:|--:|--:|--:|---|",
        ]
        for envelope, rounds in self.measured["pushing"].items():
            rate, size = self.rate(envelope), int(envelope)
            cells = [envelope, f"{rate:,.0f}", f"{median(each['cpu_micros'] for each in rounds) / size:.1f}"]
            cells.append(f"{median(each['p99'] for each in rounds):.1f}")
            for together in ("1", "8"):
                bare = self.bare(envelope, together)
                cells += [f"{bare:,.0f}", f"{rate / bare:.2f}"]
            outcomes = {}
            for each in rounds:
                for outcome, count in each["outcomes"].items():
                    outcomes[outcome] = outcomes.get(outcome, 0) + count
            cells.append(", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()))
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def _rest(self):
        measured, objects = self.measured, self.measured["objects"]
        octets, disk, load = measured["load"]["octets"], measured["disk"], measured["load"]["seconds"]
        starts = measured["start"]
        lines = [
            "| | |",
            "|---|---|",
            f"| resident memory under load, at most | {self.memory('VmRSS') / MIB:.0f} MiB, of which"
            f" {self.memory('RssAnon') / MIB:.0f} MiB are its own and {self.memory('RssFile') / MIB:.0f} MiB pages of"
            " files, the store's above all |",
            f"| start to first answer | {median(starts):.3f} s (of {len(starts)}, {min(starts):.3f}–{max(starts):.3f}) |",
            f"| disk for each object | {disk / objects:,.0f} octets, of which its text {octets / objects:,.0f} |",
            f"| `entente import` of all | {load:.1f} s: {objects / load:,.0f} objects/s |",
        ]
        if "wait" in measured:
            wait = measured["wait"]
            told = "not kept waiting"
            if wait:
                told = (
                    f"{wait['middle']:.1f} ms, p99 {wait['p99']:.1f} ms, at most {wait['longest']:.1f} ms,"
                    f" of {wait['times']}"
                )
            lines.append(f"| a push on disk until a reader that waits has it (`Prefer: wait`) | {told} |")
        if crowd := measured.get("crowd"):
            lines += _crowd(crowd)
        if crawl := measured.get("crawl"):
            missed = "" if crawl["objects"] == crawl["listed"] else f" – **the manifest lists {crawl['listed']:,}**"
            lines.append(
                f"| full crawl by taxii2-client, {crawl['pages']:,} pages of 1000{missed} | {crawl['objects']:,} objects in"
                f" {crawl['seconds']:.1f} s: {crawl['objects'] / crawl['seconds']:,.0f} objects/s; CPU of the server"
                f" {crawl['server_cpu'] / crawl['pages'] * 1000:.2f} ms for each page, of the client"
                f" {crawl['client_cpu'] / crawl['pages'] * 1000:.2f} ms |"
            )
        return "\n".join(lines)


def _answers(kept):
    """What was answered instead of what was asked for."""
    for server, wanted in (("entente", kept["outcome"]), ("nginx", "200")):
        told = {outcome for each in kept[server] for outcome in each["outcomes"]}
        if told != {wanted}:
            yield f"{server} answered not only with {wanted}: {', '.join(sorted(told))}"


def _octets(kept):
    """Bodies of other lengths than those of nginx."""
    own, other = (median(each["octets"] for each in kept[server]) for server in ("entente", "nginx"))
    if kept["differs"] is None or abs(own - other) <= kept["differs"] * other:
        return None
    return f"{own:,.0f} octets beside nginx's {other:,.0f}"


def _agreed(kept):
    """Another TLS. How keys are agreed on differs where the work is about that, and its title says so."""
    own, other = (
        {f"{each['agreed']['version']} {each['agreed']['cipher']}" for each in kept[server]}
        for server in ("entente", "nginx")
    )
    return None if own == other else f"{', '.join(sorted(own))} beside nginx's {', '.join(sorted(other))}"


def _crowd(crowd):
    clients, alone, together = crowd["clients"], crowd["alone"], crowd["together"]
    shown = crowd["shown"]
    cpu = "; ".join(
        f"{what} {together[key]:.0f} ms/s, without them {alone[key]:.0f}"
        for key, what in (
            ("nothing", "nothing happens"),
            ("pushes", "10 pushes/s elsewhere"),
            ("hidden", "10 pushes/s that they may not see"),
        )
    )
    return [
        f"| {clients:,} readers that wait, memory for each | {crowd['octets_idle'] / 1024:.1f} KiB as any connection,"
        f" {crowd['octets_more'] / 1024:.1f} KiB more while it waits |",
        f"| {clients:,} readers that wait, CPU while | {cpu} |",
        f"| a push to {clients:,} readers that wait | all have it after {shown['seconds'] * 1000:.0f} ms;"
        f" CPU {shown['cpu_millis'] / clients * 1000:.0f} µs for each |",
    ]


def _about(about):
    return f"""# Results

Made by `benches/side_by_side/run.py`: its README says how. Do not edit.

| | |
|---|---|
| date | {about["date"]} |
| Entente | {about["entente"]}; driven by {about["harness"]} |
| beside | {about["nginx"]} |
| machine | {about["processors"]} × {about["processor"]}, {about["memory_gib"]:.0f} GiB, {about["kernel"]}, stores on {about["file_system"]}; load average before the build: {about["load_before"]:.1f} |
| rounds | {about["rounds"]} of reading, {about["seconds"]} s for each figure; {about["pushes"]} of pushing |"""


def _targets(sizes):
    lines = ["## Targets", "", "| work | target | measured | |", "|---|---|---|---|"]
    # Where the size that a target is about was not measured, another one speaks, without a verdict.
    big, small = max(sizes), SMALL if SMALL in sizes else min(sizes)
    for size, measured in sizes.items():
        lines += [_line(f"{work}, {size:,} objects", *rest) for work, *rest in _each(measured)]
    for work, *rest, met in _deep(sizes[big]):
        lines.append(_line(f"{work}, {big:,} objects", *rest, met if big >= BIG else None))
    lines += [_line(*row) for row in _flat(sizes, big, small)]
    for size, measured in sizes.items():
        lines += [_line(f"{work}, {size:,} objects", *rest) for work, *rest in _pushes(measured)]
    lines += [_line(*row) for row in _standing(sizes[big], big)]
    lines += [_line(*row) for row in _others(sizes[small], small)]
    return "\n".join(lines)


def _line(work, target, measured, met):
    # A figure without a verdict is of another size than the target is about.
    none = "not measured" if measured == "–" else "not measured at this target's size"
    verdict = {True: "met", False: "**missed**", None: none}[met]
    return f"| {work} | {target} | {measured} | {verdict} |"


def _held(size, work, key, most, of="nginx"):
    """A target on a ratio to nginx."""
    ratio = size.ratio(key)
    target = f"≤ {most} of {of}"
    if ratio is None:
        return work, target, "–", None
    amiss = size.amiss(key)
    ratios = size.ratios(key)
    told = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})" + (f"; {amiss}" if amiss else "")
    return work, target, told, ratio <= most and not amiss


def _each(size):
    smallest, plain = "nginx's smallest file", "nginx's plain page"
    yield _held(size, "first page of 100, cached", "page100", 0.6)
    yield _held(size, "first page of 1000, cached", "page1000", 0.6)
    yield _held(size, "empty poll", "empty", 0.6, smallest)
    yield _held(size, "304", "304", 0.6, smallest)
    for encoding in ("gzip", "zstd"):
        for items in (100, 1000):
            yield _held(size, f"page of {items}, {encoding}", f"{encoding}{items}", 0.25, plain)
    yield _held(size, "new connection, X25519MLKEM768", "connection", 0.7, "nginx's X25519")


def _deep(size):
    yield _held(size, "deep page of 100, assembled", "deep100", 1.4)
    yield _held(size, "deep page of 1000, assembled", "deep1000", 1.4)


def _flat(sizes, big, small):
    """Each held against nginx in its own part of the run, so that the machine's mood is left out."""
    target = "≤ 1.3"
    for key, first in (("deep100", "first100"), ("deep1000", "first1000")):
        deep, shallow = sizes[big].ratio(key), sizes[small].ratio(first)
        items = key.removeprefix("deep")
        work = f"deep page of {items} at {big:,} ÷ first page at {small:,}, both assembled"
        if deep is None or shallow is None:
            yield work, target, "–", None
        else:
            sized = big >= BIG and small == SMALL
            amiss = sizes[big].amiss(key) or sizes[small].amiss(first)
            told = f"{deep / shallow:.2f}" + (f"; {amiss}" if amiss else "")
            yield work, target, told, deep / shallow <= 1.3 and not amiss if sized else None


def _pushes(size):
    for envelope in ("100", "1000"):
        if envelope not in size.measured["pushing"]:
            continue
        rate, one, eight = size.rate(envelope), size.bare(envelope, "1"), size.bare(envelope, "8")
        answers = {outcome for each in size.measured["pushing"][envelope] for outcome in each["outcomes"]}
        good = answers <= {"202 all taken", "503, sent again"}
        work = f"push of {envelope}"
        for bare, how in ((one, "an envelope at a time"), (eight, "eight envelopes together")):
            yield work, f"≥ 0.6 of the bare store, {how}", f"{rate / bare:.2f}", rate / bare >= 0.6 and good
        yield work, "≥ 20,000 objects/s on a quiet machine", f"{rate:,.0f}", rate >= 20_000 and good


def _standing(size, objects):
    limit = 200 + size.measured["page_cache"] / MIB
    own, whole = size.memory("RssAnon") / MIB, size.memory("VmRSS") / MIB
    told = f"{whole:.0f} MiB; without pages of files, {own:.0f} MiB"
    target = f"≤ 200 MiB beyond the page cache of {size.measured['page_cache'] / MIB:.0f} MiB"
    sized = objects >= BIG
    yield f"resident memory under load, {objects:,} objects", target, told, whole <= limit if sized else None
    start = median(size.measured["start"])
    yield f"start to first answer, {objects:,} objects", "≤ 1 s", f"{start:.3f} s", start <= 1 if sized else None


def _others(size, objects):
    """Figures of other servers, measured once, scaled by what nginx took then and takes now."""
    for name, part in (("darwis-taxii", 200), ("OpenTAXII 0.9.3", 1000)):
        work, target = f"first page of 100, {objects:,} objects, of {name}'s {ONCE[name]} ms, scaled", f"≤ 1/{part}"
        ratio = size.ratio("page100")
        if ratio is None:
            yield work, target, "–", None
        else:
            times, amiss = ONCE[name] / ONCE["nginx"] / ratio, size.amiss("page100")
            told = f"1/{times:,.0f}" + (f"; {amiss}" if amiss else "")
            yield work, target, told, times >= part and not amiss if objects == SMALL else None


def _peers(peers):
    lines = [
        "## Other servers",
        "",
        "Behind nginx, which does the mTLS; CPU of nginx and the server together, for one request. Beside it,"
        " Entente's CPU in this run: for the same request, which its cache of pages answers; and for a page of that"
        " kind that it assembles from the store, as the other server does. Where the collections are not of the same"
        " size, Entente's is told in brackets.",
        "",
        "| server | objects | work | CPU ms | requests/s | p99 ms | Entente, the same request | assembled |",
        "|---|--:|---|--:|--:|--:|--:|--:|",
    ]
    for sizes in peers.values():
        for measured in sizes.values():
            objects, beside = measured["objects"], measured["beside"]
            told = f"{objects:,}" if objects == beside else f"{objects:,} ({beside:,})"
            start = f"| {measured['version']} | {told} |"
            lines += [f"{start} {_peer(work)} |" for work in measured["works"]]
            if failed := measured.get("failed"):
                lines.append(f"{start} {_failed(failed)} |")
    return "\n".join(lines)


def _peer(work):
    if failed := work.get("failed"):
        return _failed(f"{work['title']}: {failed}")
    cells = [work["title"], f"{work['cpu_micros'] / 1000:,.1f}", f"{work['rate']:,.1f}", f"{work['p99']:,.0f}"]
    for own in (work["entente_cpu_micros"], work["entente_assembled_cpu_micros"]):
        cells.append(f"{own / 1000:.3f} ms, 1/{work['cpu_micros'] / own:,.0f}" if own else "")
    return " | ".join(cells)


def _failed(told):
    """Why something was given up, on one line and without the paths of this machine."""
    told = re.sub(r"(?<![\w:/.])/(?:[\w.@+-]+/)+", "…/", " ".join(told.split()))
    # The end says what it was.
    told = told if len(told) <= 400 else f"{told[:100]} … {told[-300:]}"
    return " | ".join([told.replace("|", "/"), *[""] * 5])
