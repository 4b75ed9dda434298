"""What a judge says."""


class Verdict:
    """What one judge says of one case: accepted, when there is no objection."""

    def __init__(self, objections):
        self.objections = objections

    @property
    def accepted(self):
        return not self.objections

    @property
    def crashed(self):
        return any(objection.startswith("crash: ") for objection in self.objections)
