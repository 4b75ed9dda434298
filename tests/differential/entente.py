"""Our own judge: the program, given files as a user would."""

import json
import re
import subprocess

from verdict import Verdict

FILES_AT_ONCE = 500


class Entente:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def verdicts(self, cases):
        """One verdict per case, in order."""
        found = self._lines([case for case in cases if not case.alone])
        alone = [case for case in cases if case.alone]
        for start in range(0, len(alone), FILES_AT_ONCE):
            found |= self._files(alone[start : start + FILES_AT_ONCE])
        return [found[case] for case in cases]

    def _lines(self, cases):
        """All cases in one file, one object a line."""
        path = self.folder / "cases.ndjson"
        path.write_text("".join(case.text + "\n" for case in cases))
        reports, _ = self._run([path])
        objections = {found["index"]: objections_of(found) for found in reports[str(path)]}
        return {case: Verdict(objections.get(at, [])) for at, case in enumerate(cases)}

    def _files(self, cases):
        """What is no object of one line, each in a file of its own."""
        paths = [self.folder / f"case-{number}.json" for number in range(len(cases))]
        for path, case in zip(paths, cases):
            path.write_text(case.text)
        reports, unreadable = self._run(paths)
        found = {}
        for case, path in zip(cases, map(str, paths)):
            refusals = [o for part in reports.get(path, []) for o in objections_of(part)]
            found[case] = Verdict(refusals + unreadable.get(path, []))
        return found

    def _run(self, paths):
        """What is said of each file, and why a file cannot be read."""
        command = [self.program, "validate", "--profile", "standard", "--format", "json", *paths]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 1, 2):
            raise SystemExit(f"{self.program} ends with {done.returncode}: {done.stderr[-2000:]}")
        reports = {file["file"]: file["objects"] for file in json.loads(done.stdout)["files"]}
        reasons = re.findall(r"^entente: (.*?\.json): (.*)$", done.stderr, re.M)
        unreadable = {path: [f"unreadable: {reason}"] for path, reason in reasons}
        if missing := {str(path) for path in paths} - reports.keys() - unreadable.keys():
            raise SystemExit(f"{self.program} says nothing of {sorted(missing)[:3]}: {done.stderr}")
        return reports, unreadable


def objections_of(report):
    """What refuses, as one line each; a warning accepts.

    Many cases have one id, and so would be versions of one object: what the program finds between
    versions says nothing of a case.
    """
    refusing = [finding for finding in report["findings"] if finding["severity"] == "refuse"]
    own = [finding for finding in refusing if not finding["rule"].startswith("version-")]
    return ["{rule} {pointer}: {message}".format(**finding) for finding in own]
