//! Findings: what is wrong with an object, where, by which clause, and how much that
//! weighs in the profile of a collection.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// How strictly a collection judges what it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What the standard requires, and what it recommends as far as there are rules for it; custom
    /// content only through extensions.
    Strict,
    /// All that the standard requires; what it recommends is a warning.
    #[default]
    Standard,
    /// Only what makes an object unusable or dangerous is refused; the rest is a warning.
    Lenient,
}

impl Profile {
    /// All of them, the strictest first.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Standard, Self::Lenient];

    /// Its name, in commands and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Lenient => "lenient",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no profile of that name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no profile: choose strict, standard or lenient")]
pub struct NotAProfile(String);

impl FromStr for Profile {
    type Err = NotAProfile;

    fn from_str(text: &str) -> Result<Self, NotAProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or_else(|| NotAProfile(text.to_owned()))
    }
}

/// What a finding does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is refused.
    Refuse,
    /// It is taken, and its sender is told.
    Warn,
    /// Nothing: nobody looks.
    Pass,
}

impl Severity {
    /// Its name, in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
            Self::Pass => "pass",
        }
    }
}

/// A rule: one thing that the standard says, or that a server must insist on.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in reports: lower case, words joined by hyphens. Never changes its meaning.
    pub id: &'static str,
    /// Where the rule stands written.
    pub clause: &'static str,
    /// What a finding does under [`Profile::ALL`], in that order.
    pub severities: [Severity; 3],
    /// What must hold, in one sentence.
    pub sentence: &'static str,
}

/// What the standard requires (MUST).
pub(super) const REQUIRED: [Severity; 3] = [Severity::Refuse, Severity::Refuse, Severity::Warn];
/// What the standard recommends (SHOULD).
pub(super) const RECOMMENDED: [Severity; 3] = [Severity::Refuse, Severity::Warn, Severity::Warn];
/// What the standard allows and advises against: custom content without an extension definition.
pub(super) const DEPRECATED: [Severity; 3] = [Severity::Refuse, Severity::Pass, Severity::Pass];
/// What a server cannot do without.
pub(super) const INDISPENSABLE: [Severity; 3] = [Severity::Refuse, Severity::Refuse, Severity::Refuse];
/// What is worth a word to those who want to know everything.
pub(super) const ADVICE: [Severity; 3] = [Severity::Warn, Severity::Pass, Severity::Pass];

impl Rule {
    /// What a finding does under a profile.
    pub fn severity(&self, profile: Profile) -> Severity {
        let [strict, standard, lenient] = self.severities;
        match profile {
            Profile::Strict => strict,
            Profile::Standard => standard,
            Profile::Lenient => lenient,
        }
    }
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// What that does to the object, under the profile that it was judged by.
    pub severity: Severity,
    /// Where exactly this stands written: the rule's own clause, or a closer one.
    pub clause: Cow<'static, str>,
    /// JSON pointer (RFC 6901) into the object; of the place where it should be, for what is missing.
    pub pointer: String,
    /// What is wrong there: a sentence fragment, foreign values quoted and cut.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.pointer, self.message, self.rule.id, self.clause)
    }
}

/// Findings of each severity that are kept of one object. Those beyond are counted.
const KEPT: usize = 20;

/// What is to be said of one object.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    findings: Vec<Finding>,
    refusals: usize,
    warnings: usize,
}

impl Verdict {
    /// Whether the object is to be refused.
    pub fn is_refused(&self) -> bool {
        self.refusals > 0
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// The findings that are kept, refusals first: at most 20 of each severity.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings there are in all, kept or not; of those not kept, some may say the same.
    pub fn count(&self) -> usize {
        self.refusals + self.warnings
    }

    /// The same, with the first findings only.
    #[must_use]
    pub fn shortened(mut self, most: usize) -> Self {
        self.findings.truncate(most);
        self.findings.shrink_to_fit();
        self
    }

    /// Whether findings of this severity are no longer kept, only counted.
    fn is_full(&self, severity: Severity) -> bool {
        match severity {
            Severity::Refuse => self.refusals >= KEPT,
            Severity::Warn => self.warnings >= KEPT,
            Severity::Pass => true,
        }
    }

    /// Counts a finding that is not kept.
    fn count_only(&mut self, severity: Severity) {
        match severity {
            Severity::Refuse => self.refusals += 1,
            Severity::Warn => self.warnings += 1,
            Severity::Pass => {}
        }
    }

    /// Puts a finding to the others, unless the same is said of the same place already.
    /// Takes constant time: of very many findings most are only counted.
    pub fn add(&mut self, finding: Finding) {
        if self.is_full(finding.severity) {
            return self.count_only(finding.severity);
        }
        let same = |other: &Finding| other.pointer == finding.pointer && other.message == finding.message;
        if self.findings.iter().any(same) {
            return;
        }
        let refusals = self.refusals.min(self.findings.len());
        let after = if finding.severity == Severity::Refuse { refusals } else { self.findings.len() };
        self.count_only(finding.severity);
        self.findings.insert(after, finding);
    }
}

/// Where a rule puts what it finds.
#[derive(Debug)]
pub struct Report<'v> {
    verdict: &'v mut Verdict,
    profile: Profile,
}

impl<'v> Report<'v> {
    /// A report into `verdict`, under `profile`.
    pub fn new(verdict: &'v mut Verdict, profile: Profile) -> Self {
        Self { verdict, profile }
    }

    /// A report into another verdict, under the same profile.
    pub fn aside<'a>(&self, verdict: &'a mut Verdict) -> Report<'a> {
        Report { verdict, profile: self.profile }
    }

    /// Whether anybody wants to know of this rule: what nobody wants to know need not be looked for.
    pub fn wants(&self, rule: &Rule) -> bool {
        rule.severity(self.profile) != Severity::Pass
    }

    /// Whether a finding by this rule need not be put into words: nobody wants to know of it, or there
    /// are so many already that it is only counted, which this does.
    pub fn has_enough_of(&mut self, rule: &Rule) -> bool {
        let severity = rule.severity(self.profile);
        let enough = self.verdict.is_full(severity);
        if enough {
            self.verdict.count_only(severity);
        }
        enough
    }

    /// Whether something that must hold at this place is known not to. What becomes of that in this
    /// profile does not matter: all profiles find the same, and make of it what they will.
    pub fn faults(&self, pointer: &str) -> bool {
        let required = |finding: &&Finding| finding.rule.severity(Profile::Standard) == Severity::Refuse;
        self.verdict.findings.iter().filter(required).any(|finding| finding.pointer == pointer)
    }

    /// A finding by the rule's own clause.
    pub fn find(&mut self, rule: &'static Rule, pointer: impl Into<String>, message: impl Into<String>) {
        self.find_by(rule, Cow::Borrowed(rule.clause), pointer.into(), message.into());
    }

    /// A finding by a closer clause.
    pub fn find_by(&mut self, rule: &'static Rule, clause: Cow<'static, str>, pointer: String, message: String) {
        let severity = rule.severity(self.profile);
        self.verdict.add(Finding { rule, severity, clause, pointer, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static MUST: Rule = Rule { id: "must", clause: "§1", severities: REQUIRED, sentence: "" };
    static SHOULD: Rule = Rule { id: "should", clause: "§2", severities: RECOMMENDED, sentence: "" };

    fn verdict(profile: Profile, places: usize) -> Verdict {
        let mut verdict = Verdict::default();
        let mut report = Report::new(&mut verdict, profile);
        for place in 0..places {
            report.find(&SHOULD, format!("/{place}"), "recommended");
            report.find(&MUST, format!("/{place}"), "required");
            report.find(&MUST, format!("/{place}"), "required");
        }
        verdict
    }

    #[test]
    fn a_profile_decides_what_a_finding_does() {
        let count = |profile| {
            let verdict = verdict(profile, 1);
            (verdict.is_refused(), verdict.count())
        };
        assert_eq!(count(Profile::Strict), (true, 2));
        assert_eq!(count(Profile::Standard), (true, 2));
        assert_eq!(count(Profile::Lenient), (false, 2));
    }

    #[test]
    fn refusals_come_first_and_the_number_kept_is_bounded() {
        let verdict = verdict(Profile::Standard, 1000);
        assert_eq!(verdict.findings().len(), 40);
        assert!(verdict.count() >= 2000);
        assert!(verdict.findings()[..20].iter().all(|finding| finding.severity == Severity::Refuse));
        assert_eq!(verdict.findings()[0].to_string(), "/0: required (must, §1)");
    }

    #[test]
    fn a_profile_has_one_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        assert!("Strict".parse::<Profile>().is_err());
    }
}
