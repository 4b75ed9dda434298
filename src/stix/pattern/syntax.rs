//! The tree of a pattern. It owns its text, so that it can outlive the object that it came from.
//!
//! Operators that are repeated make one node: `a AND b AND c` has three operands. Parentheses
//! that change nothing leave no trace. White space, comments and `==` for `=` neither.

use super::fault::Fault;
use super::parser;
use crate::stix::timestamp::Timestamp;
use Node::{Inner, Outer};

/// A whole pattern (STIX 2.1 §9.3). Printed, it is a pattern that says the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// What is to be observed.
    pub observation: Observation,
}

/// What is to be observed (§9.5). `FOLLOWEDBY` binds weakest, then `OR`, then `AND`.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// `[…]`: one observation that fulfils a condition.
    Test(Condition),
    /// `… AND …`: all of them, in any order. At least two.
    And(Vec<Observation>),
    /// `… OR …`: one of them. At least two.
    Or(Vec<Observation>),
    /// `… FOLLOWEDBY …`: all of them, in this order. At least two.
    FollowedBy(Vec<Observation>),
    /// With qualifiers: at least one, and none twice.
    Qualified(Box<Observation>, Vec<Qualifier>),
}

/// When and how often it is to be observed (§9.5.1).
#[derive(Clone, Debug, PartialEq)]
pub enum Qualifier {
    /// `WITHIN n SECONDS`: more than 0, finite.
    Within(f64),
    /// `REPEATS n TIMES`: more than 0.
    Repeats(u64),
    /// `START t'…' STOP t'…'`
    Between {
        /// From this instant on.
        start: Timestamp,
        /// Before this one, which is later.
        stop: Timestamp,
    },
}

/// What one observation must fulfil (§9.6). `AND` binds stronger than `OR`.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// One comparison.
    Comparison(Comparison),
    /// All of them. At least two, and one type of object can fulfil them all.
    And(Vec<Condition>),
    /// One of them. At least two.
    Or(Vec<Condition>),
}

/// One comparison of a property with a constant (§9.6).
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Where it begins in the text, in characters, the first being 1. No part of its meaning:
    /// comparisons are equal wherever they stand.
    pub column: usize,
    /// What is compared.
    pub path: Path,
    /// Whether `NOT` stands before the operator.
    pub negated: bool,
    /// With what, and how.
    pub test: Test,
}

/// Operator and constant (§9.6.1).
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `EXISTS`: the property is there.
    Exists,
    /// `= != < <= > >=`; the last four never with a boolean.
    Is(Relation, Constant),
    /// `IN (…)`: one of these, which are all of one type. May be empty.
    In(Vec<Constant>),
    /// `LIKE`: `%` stands for any characters, `_` for one.
    Like(String),
    /// `MATCHES`: a Perl-compatible regular expression, not looked into.
    Matches(String),
    /// `ISSUBSET`: an address or network inside this network.
    IsSubset(String),
    /// `ISSUPERSET`: a network that holds this one.
    IsSuperset(String),
}

/// How two values relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value (§9.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `true` or `false`
    Boolean(bool),
    /// From -(2^53)+1 to 2^53-1 (§2.10).
    Integer(i64),
    /// Finite.
    Float(f64),
    /// `'…'`: the text that is meant, without escapes.
    String(String),
    /// `b'…'`: the base64 text (RFC 4648 §4), padded.
    Binary(String),
    /// `h'…'`: the hexadecimal text, an even number of digits of either case.
    Hex(String),
    /// `t'…'`
    Timestamp(Timestamp),
}

/// Where a value is found (§9.7): `file:hashes.'SHA-256'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The type of the object, such as `file`.
    pub object_type: String,
    /// The property of the object itself.
    pub property: String,
    /// The way on from there: through lists, dictionaries, and references (`…_ref.name`).
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.name` or `.'any-name'`: a property, a dictionary key, or a property of the object referred to.
    Name(String),
    /// `[n]`: an item of a list, the first being 0 (§9.7.2).
    Index(u64),
    /// `[*]`: any item of a list (§9.7.2).
    Any,
}

impl Pattern {
    /// Reads a pattern. Takes time and memory linear in `text`, and a stack bounded by
    /// [`super::MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parser::parse(text)
    }

    /// All comparisons, in the order of the text.
    pub fn comparisons(&self) -> impl Iterator<Item = &Comparison> {
        let mut waiting = vec![Outer(&self.observation)];
        std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Inner(Condition::Comparison(comparison)) => return Some(comparison),
                    Inner(Condition::And(parts) | Condition::Or(parts)) => {
                        waiting.extend(parts.iter().rev().map(Inner));
                    }
                    Outer(Observation::Test(condition)) => waiting.push(Inner(condition)),
                    Outer(Observation::Qualified(observation, _)) => waiting.push(Outer(observation)),
                    Outer(Observation::And(parts) | Observation::Or(parts) | Observation::FollowedBy(parts)) => {
                        waiting.extend(parts.iter().rev().map(Outer));
                    }
                }
            }
        })
    }
}

enum Node<'t> {
    Outer(&'t Observation),
    Inner(&'t Condition),
}

impl Condition {
    /// Where its first comparison begins.
    pub(super) fn column(&self) -> usize {
        let mut condition = self;
        loop {
            match condition {
                Self::Comparison(comparison) => return comparison.column,
                Self::And(parts) | Self::Or(parts) => match parts.first() {
                    Some(first) => condition = first,
                    None => return 1,
                },
            }
        }
    }
}

impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.negated, &self.test) == (&other.path, other.negated, &other.test)
    }
}

impl Relation {
    /// As the standard writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comparisons_come_in_the_order_of_the_text() {
        let text = "([a:b=1 AND (a:c=2 OR a:d=3)] FOLLOWEDBY [EXISTS a:e] REPEATS 2 TIMES OR [a:f LIKE 'x']) WITHIN 5 SECONDS AND [a:g IN ()]";
        let pattern = Pattern::parse(text).unwrap();
        let found: String = pattern.comparisons().map(|comparison| comparison.path.property.as_str()).collect();
        assert_eq!(found, "bcdefg");
        for comparison in pattern.comparisons() {
            assert!(text[comparison.column - 1..].starts_with(['a', 'E']), "{}", comparison.column);
        }
    }

    #[test]
    fn a_single_comparison_is_told_by_its_shape() {
        let pattern = Pattern::parse("[ipv4-addr:value = '198.51.100.3']").unwrap();
        let Observation::Test(Condition::Comparison(comparison)) = &pattern.observation else { panic!() };
        assert_eq!((comparison.path.object_type.as_str(), comparison.path.property.as_str()), ("ipv4-addr", "value"));
        assert_eq!(comparison.test, Test::Is(Relation::Equal, Constant::String("198.51.100.3".into())));
    }
}
