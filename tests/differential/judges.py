"""The outside judges: three packages, called as a Python program would call them."""

import functools
import json
import logging
import signal
import warnings

import stix2
from stix2patterns.validator import run_validator
from verdict import Verdict
from stix2validator import ValidationOptions, validate_instance

warnings.filterwarnings("ignore")
logging.disable()

# Seconds of computing for one verdict, of which a usual one takes a hundredth.
PATIENCE = 1

# Best practices would only warn, and say nothing on what the standard requires.
OPTIONS = ValidationOptions(version="2.1", disabled="all", silent=True)


class TooLong(Exception):
    """A judge that does not come to an end, as some of their regular expressions do not."""


def too_long(*_):
    raise TooLong(f"no verdict within {PATIENCE} s")


def verdict_of(judge):
    """A judge that fails has not accepted; what it failed with is its objection."""

    @functools.wraps(judge)
    def judged(text):
        signal.signal(signal.SIGVTALRM, too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
        try:
            return Verdict(judge(text))
        except Exception as error:
            return Verdict([f"crash: {type(error).__name__}: {error}"])
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return judged


@verdict_of
def stix2_validator(text):
    result = validate_instance(json.loads(text), OPTIONS)
    return [str(error) for error in result.errors] if not result.is_valid else []


@verdict_of
def stix2_library(text):
    try:
        stix2.parse(text, version="2.1")
    except (stix2.exceptions.STIXError, ValueError) as error:
        return [f"{type(error).__name__}: {error}"]
    return []


@verdict_of
def stix2_patterns(pattern):
    return [str(error) for error in run_validator(pattern, "2.1")]


OBJECT_JUDGES = {"stix2-validator": stix2_validator, "stix2": stix2_library}
PATTERN_JUDGES = {"stix2-patterns": stix2_patterns}


def outside(case):
    """The verdicts of those judges that take such a case."""
    judges = OBJECT_JUDGES if case.pattern is None else PATTERN_JUDGES
    text = case.text if case.pattern is None else case.pattern
    return {name: judge(text) for name, judge in judges.items()}
