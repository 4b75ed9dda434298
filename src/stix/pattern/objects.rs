//! Which objects can fulfil a condition (STIX 2.1 §9.6): what `AND` joins is asked of one object.
//!
//! `OR` widens the object types that are possible, `AND` narrows them, and some type must be left.

use super::fault::{Fault, shown};
use super::syntax::Condition;
use std::collections::BTreeSet;

type Types<'t> = BTreeSet<&'t str>;

/// A fault unless, wherever `AND` stands, one object could fulfil both sides.
pub(super) fn one_object(condition: &Condition) -> Result<(), Fault> {
    possible(condition).map(|_| ())
}

/// The types of the objects that could fulfil a condition. Only the smaller of two sets is ever
/// walked through, so that nesting makes nothing dearer.
fn possible(condition: &Condition) -> Result<Types<'_>, Fault> {
    let (parts, join): (_, fn(_, _) -> _) = match condition {
        Condition::Comparison(comparison) => return Ok(Types::from([comparison.path.object_type.as_str()])),
        Condition::Or(parts) => (parts, either),
        Condition::And(parts) => (parts, both),
    };
    let mut types: Option<Types<'_>> = None;
    for part in parts {
        let here = possible(part)?;
        let Some(before) = types.take() else {
            types = Some(here);
            continue;
        };
        let names = (first(&before), first(&here));
        let joined = join(before, here);
        if joined.is_empty() {
            return Err(two_objects(part.column(), names));
        }
        types = Some(joined);
    }
    Ok(types.unwrap_or_default())
}

fn either<'t>(a: Types<'t>, b: Types<'t>) -> Types<'t> {
    let (fewer, mut more) = by_size(a, b);
    more.extend(fewer);
    more
}

fn both<'t>(a: Types<'t>, b: Types<'t>) -> Types<'t> {
    let (mut fewer, more) = by_size(a, b);
    fewer.retain(|object_type| more.contains(object_type));
    fewer
}

fn by_size<'t>(a: Types<'t>, b: Types<'t>) -> (Types<'t>, Types<'t>) {
    if a.len() <= b.len() { (a, b) } else { (b, a) }
}

fn first<'t>(types: &Types<'t>) -> &'t str {
    types.first().copied().unwrap_or_default()
}

fn two_objects(column: usize, (before, here): (&str, &str)) -> Fault {
    let rule = "inside [ ], AND joins comparisons of one object; two objects are [...] AND [...]";
    Fault::new(column, here, format!("the object type {}: {rule}", shown(before)))
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;

    #[test]
    fn or_joins_any_objects_and_and_one() {
        for text in [
            "[file:name = 'a' OR url:value = 'b']",
            "[file:name = 'a' AND file:size = 1 OR url:value = 'b' AND url:id = 'c']",
            "[(file:name = 'a' OR url:value = 'b') AND file:size = 1]",
            "[(a:b = 1 OR c:d = 1) AND (c:d = 2 OR e:f = 2) AND (c:d = 3 OR a:b = 4)]",
            "[file:name = 'a'] AND [url:value = 'b']",
        ] {
            assert!(Pattern::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_no_one_object_can_fulfil_is_refused_where_it_becomes_impossible() {
        for (text, column, expected) in [
            ("[file:name = 'foo' AND domain-name:value = 'example.com']", 24, "`file`"),
            ("[(a:b = 1 OR c:d = 1) AND (c:d = 2 OR e:f = 2) AND a:b = 3]", 52, "`c`"),
            ("[a:b = 1 AND (c:d = 1 OR (e:f = 2))]", 15, "`a`"),
            ("[z:z=1] OR [x:y=1 OR (a:b = 1 AND c:d = 2)]", 35, "`a`"),
        ] {
            let fault = Pattern::parse(text).unwrap_err();
            assert_eq!(fault.column, column, "{text}: {fault}");
            assert!(fault.expected.starts_with(&format!("the object type {expected}: inside [ ]")), "{fault}");
        }
    }
}
