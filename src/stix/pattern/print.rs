//! Trees as patterns (STIX 2.1 §9). What is printed parses back to the same tree.

use super::lexer::KEYWORDS;
use super::syntax::{Comparison, Condition, Constant, Observation, Path, Pattern, Qualifier, Step, Test};
use std::fmt::{self, Display, Formatter, Write as _};

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.observation.fmt(f)
    }
}

impl Observation {
    /// How strongly the outermost operator binds.
    fn strength(&self) -> u8 {
        match self {
            Self::FollowedBy(_) => 0,
            Self::Or(_) => 1,
            Self::And(_) => 2,
            Self::Qualified(..) => 3,
            Self::Test(_) => 4,
        }
    }
}

impl Display for Observation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let weaker = |part: &Self| part.strength() <= self.strength();
        match self {
            Self::Test(condition) => write!(f, "[{condition}]"),
            Self::And(parts) => join(f, parts, " AND ", weaker),
            Self::Or(parts) => join(f, parts, " OR ", weaker),
            Self::FollowedBy(parts) => join(f, parts, " FOLLOWEDBY ", weaker),
            Self::Qualified(observation, qualifiers) => {
                part(f, &**observation, weaker(observation))?;
                qualifiers.iter().try_for_each(|qualifier| write!(f, " {qualifier}"))
            }
        }
    }
}

impl Display for Qualifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(seconds) => write!(f, "WITHIN {seconds} SECONDS"),
            Self::Repeats(times) => write!(f, "REPEATS {times} TIMES"),
            Self::Between { start, stop } => write!(f, "START t'{start}' STOP t'{stop}'"),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparison(comparison) => comparison.fmt(f),
            Self::And(parts) => join(f, parts, " AND ", |part| !matches!(part, Self::Comparison(_))),
            Self::Or(parts) => join(f, parts, " OR ", |part| matches!(part, Self::Or(_))),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        let not = if self.negated { "NOT " } else { "" };
        match &self.test {
            Test::Exists => write!(f, "{not}EXISTS {path}"),
            Test::Is(relation, constant) => write!(f, "{path} {not}{} {constant}", relation.as_str()),
            Test::In(set) => {
                write!(f, "{path} {not}IN (")?;
                join(f, set, ", ", |_| false)?;
                f.write_char(')')
            }
            Test::Like(text) => write!(f, "{path} {not}LIKE {}", Quoted(text)),
            Test::Matches(text) => write!(f, "{path} {not}MATCHES {}", Quoted(text)),
            Test::IsSubset(text) => write!(f, "{path} {not}ISSUBSET {}", Quoted(text)),
            Test::IsSuperset(text) => write!(f, "{path} {not}ISSUPERSET {}", Quoted(text)),
        }
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => Decimal(*value).fmt(f),
            Self::String(text) => Quoted(text).fmt(f),
            Self::Binary(base64) => write!(f, "b'{base64}'"),
            Self::Hex(digits) => write!(f, "h'{digits}'"),
            Self::Timestamp(timestamp) => write!(f, "t'{timestamp}'"),
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.object_type)?;
        name(f, &self.property)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Name(text) => f.write_char('.').and_then(|()| name(f, text)),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Any => f.write_str("[*]"),
        })
    }
}

fn join<T: Display>(f: &mut Formatter<'_>, parts: &[T], between: &str, wrapped: impl Fn(&T) -> bool) -> fmt::Result {
    for (at, one) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        part(f, one, wrapped(one))?;
    }
    Ok(())
}

fn part(f: &mut Formatter<'_>, part: &impl Display, wrapped: bool) -> fmt::Result {
    if wrapped { write!(f, "({part})") } else { part.fmt(f) }
}

/// Always with a point, never with an exponent: patterns have none.
struct Decimal(f64);

impl Display for Decimal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if self.0.fract() == 0.0 { f.write_str(".0") } else { Ok(()) }
    }
}

fn name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !KEYWORDS.contains(&name);
    if plain { f.write_str(name) } else { Quoted(name).fmt(f) }
}

/// A text between quotes, escaped (§9.2).
struct Quoted<'t>(&'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for char in self.0.chars() {
            if matches!(char, '\'' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(char)?;
        }
        f.write_char('\'')
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::Relation;
    use super::*;
    use crate::stix::timestamp::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn timestamp() -> impl Strategy<Value = Timestamp> {
        let text =
            "[0-9]{4}-(0[1-9]|1[0-2])-([01][1-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,12})?Z";
        text.prop_map(|text| Timestamp::parse(&text).unwrap())
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "['\\\\a/*]{0,6}"]
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>().prop_filter("finite", |value| value.is_finite()), (-9i32..9).prop_map(f64::from)]
    }

    /// All of one type: any of them is a constant, all of them a set.
    fn constants() -> impl Strategy<Value = Vec<Constant>> {
        let limit = super::super::constant::MAX_INTEGER;
        prop_oneof![
            vec(any::<bool>().prop_map(Constant::Boolean), 1..4),
            vec((-limit..=limit).prop_map(Constant::Integer), 1..4),
            vec(number().prop_map(Constant::Float), 1..4),
            vec(text().prop_map(Constant::String), 1..4),
            vec("([A-Za-z0-9+/]{4}){0,3}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?".prop_map(Constant::Binary), 1..4),
            vec("([0-9a-fA-F]{2}){0,4}".prop_map(Constant::Hex), 1..4),
            vec(timestamp().prop_map(Constant::Timestamp), 1..4),
        ]
    }

    fn relation() -> impl Strategy<Value = Relation> {
        use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        proptest::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
    }

    fn test() -> impl Strategy<Value = Test> {
        prop_oneof![
            Just(Test::Exists),
            (relation(), constants()).prop_map(|(relation, constants)| match constants.into_iter().next() {
                Some(Constant::Boolean(value)) => Test::Is(Relation::Equal, Constant::Boolean(value)),
                Some(constant) => Test::Is(relation, constant),
                None => Test::Exists,
            }),
            prop_oneof![constants(), Just(vec![])].prop_map(Test::In),
            text().prop_map(Test::Like),
            text().prop_map(Test::Matches),
            text().prop_map(Test::IsSubset),
            text().prop_map(Test::IsSuperset),
        ]
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z_]{1,9}", "[a-zA-Z0-9-]{1,9}", ".{1,4}", Just("AND".to_owned()), Just("true".to_owned())]
    }

    fn path(object_type: String) -> impl Strategy<Value = Path> {
        let step = prop_oneof![name().prop_map(Step::Name), (0..1u64 << 53).prop_map(Step::Index), Just(Step::Any)];
        (name(), vec(step, 0..4)).prop_map(move |(property, steps)| {
            let object_type = object_type.clone();
            Path { object_type, property, steps }
        })
    }

    /// All comparisons of one object type, so that `AND` may join them.
    fn condition() -> impl Strategy<Value = Condition> {
        "[a-z][a-z0-9-]{0,8}x".prop_flat_map(|object_type| {
            let comparison = (any::<usize>(), path(object_type), any::<bool>(), test());
            let leaf = comparison.prop_map(|(column, path, negated, test)| {
                Condition::Comparison(Comparison { column, path, negated, test })
            });
            leaf.prop_recursive(4, 12, 3, |inner| {
                prop_oneof![vec(inner.clone(), 2..4).prop_map(Condition::And), vec(inner, 2..4).prop_map(Condition::Or)]
            })
        })
    }

    fn qualifiers() -> impl Strategy<Value = Vec<Qualifier>> {
        let within = number().prop_map(|value| Qualifier::Within(if value == 0.0 { 1.0 } else { value.abs() }));
        let repeats = (1..1u64 << 53).prop_map(Qualifier::Repeats);
        let between = (timestamp(), timestamp()).prop_filter_map("START < STOP", |(start, stop)| {
            (start < stop).then_some(Qualifier::Between { start, stop })
        });
        (within, repeats, between, 1..4usize).prop_flat_map(|(within, repeats, between, count)| {
            Just(vec![within, repeats, between]).prop_shuffle().prop_map(move |mut qualifiers| {
                qualifiers.truncate(count);
                qualifiers
            })
        })
    }

    fn observation() -> impl Strategy<Value = Observation> {
        condition().prop_map(Observation::Test).prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 2..4).prop_map(Observation::And),
                vec(inner.clone(), 2..4).prop_map(Observation::Or),
                vec(inner.clone(), 2..4).prop_map(Observation::FollowedBy),
                (inner, qualifiers())
                    .prop_map(|(inner, qualifiers)| Observation::Qualified(Box::new(inner), qualifiers)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_the_same_tree(observation in observation()) {
            let pattern = Pattern { observation };
            let printed = pattern.to_string();
            prop_assert_eq!(Pattern::parse(&printed), Ok(pattern), "{}", printed);
        }

        #[test]
        fn no_text_makes_the_parser_panic(
            texts in vec(prop_oneof![
                any::<String>(),
                proptest::sample::select(vec!["[", "]", "(", ")", "a:b", ":", ".", "'", "\\", "=", "1", "-", "h'", "b'",
                    "t'", "/*", "//", " AND ", " NOT ", "IN", "WITHIN", "é"]).prop_map(str::to_owned),
            ], 0..12)
        ) {
            let text = texts.concat();
            if let Err(fault) = Pattern::parse(&text) {
                prop_assert!((1..=text.chars().count() + 1).contains(&fault.column));
                prop_assert!(fault.to_string().chars().count() < 600);
            }
        }
    }
}
