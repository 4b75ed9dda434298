//! The order of a collection: which `date_added` each entry of a push gets.
//!
//! What must stay true, whatever the clock does (TAXII 2.1 §3.3, §3.4):
//! * stamps are unique and rise strictly in the order of commits;
//! * within a push, the last entry of each level (and of each owner: an owner sees its own
//!   at every level) stands on a whole millisecond and the others one microsecond apart
//!   before it; no two pushes share a millisecond. A client that cuts its cursor to
//!   milliseconds and asks for everything then neither loses nor re-reads, whatever its
//!   level, and nobody can count hidden neighbours from the digits;
//! * only when the order runs more than a second ahead of the clock may pushes share one.

use super::hold::Reach;
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::taxii::timestamp::Timestamp;
use std::collections::BTreeMap;

const MILLISECOND: i64 = 1000;
const SECOND: i64 = 1_000_000;

/// What entries have in common that the same callers see now. Those that end later do so at different times, and
/// are one kind all the same, so that a push of many takes few milliseconds.
pub fn kind(
    level: Level,
    owner: OrganisationKey,
    ends: Option<Timestamp>,
    reach: &Reach,
    now: Timestamp,
) -> (Level, OrganisationKey, Option<bool>, &Reach) {
    (level, owner, ends.map(|ends| ends <= now), reach)
}

/// Stamps one push.
///
/// `newest` is the highest stamp ever given in the collection, `kinds` are those of the
/// entries to add, in the order received: entries of one kind are seen by the same callers.
/// Gives the stamps in the same order as `kinds`.
pub fn stamp<K: Ord>(newest: Timestamp, now: Timestamp, kinds: &[K]) -> Vec<Timestamp> {
    let mut stamps = vec![Timestamp::EPOCH; kinds.len()];
    let (mut newest, now) = (newest.micros(), now.micros());
    let mut groups: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    kinds.iter().enumerate().for_each(|(at, kind)| groups.entry(kind).or_default().push(at));
    for group in groups.into_values() {
        let others = i64::try_from(group.len() - 1).unwrap_or(i64::MAX);
        let end = end_of_group(newest, now, others);
        for (back, &at) in group.iter().rev().enumerate() {
            stamps[at] = Timestamp::from_micros(end - i64::try_from(back).unwrap_or(i64::MAX));
        }
        newest = end;
    }
    stamps
}

/// Where the last entry of a group goes that has this many `others` before it.
fn end_of_group(newest: i64, now: i64, others: i64) -> i64 {
    if newest > now + SECOND {
        return newest + others + 1;
    }
    let millisecond_after_newest = (newest.div_euclid(MILLISECOND) + 1) * MILLISECOND;
    let earliest = now.max(millisecond_after_newest) + others;
    // Up to the whole millisecond.
    -(-earliest).div_euclid(MILLISECOND) * MILLISECOND
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(stamps: &[Timestamp]) -> Vec<i64> {
        stamps.iter().map(|stamp| stamp.micros()).collect()
    }

    #[test]
    fn each_level_of_a_push_ends_on_a_millisecond_of_its_own() {
        use Level::{Green, Red};
        let stamps = stamp(Timestamp::EPOCH, Timestamp::from_micros(5_500), &[Green, Red, Green, Red, Red]);
        assert_eq!(micros(&stamps), [5_999, 7_998, 6_000, 7_999, 8_000]);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_turn_the_order() {
        let newest = Timestamp::from_micros(900_000);
        let stamps = stamp(newest, Timestamp::from_micros(10), &[Level::Green]);
        assert_eq!(micros(&stamps), [901_000]);
    }

    #[test]
    fn an_order_far_ahead_of_the_clock_goes_on_by_microseconds() {
        let newest = Timestamp::from_micros(5_000_000);
        assert_eq!(micros(&stamp(newest, Timestamp::from_micros(10), &[Level::Green; 2])), [5_000_001, 5_000_002]);
    }

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn what_must_stay_true_stays_true(
            pushes in prop::collection::vec((prop::collection::vec(level(), 1..40), -2_000i64..5_000), 1..20),
        ) {
            let (mut newest, mut now) = (Timestamp::EPOCH, 1_000_000i64);
            let mut taken = std::collections::HashSet::new();
            for (levels, step) in pushes {
                now += step;
                let stamps = stamp(newest, Timestamp::from_micros(now), &levels);
                prop_assert!(stamps.iter().all(|&stamp| stamp > newest));
                let unique: std::collections::HashSet<_> = stamps.iter().collect();
                prop_assert_eq!(unique.len(), levels.len());
                for level in Level::ALL {
                    let group: Vec<_> = (0..levels.len()).filter(|&at| levels[at] == level).map(|at| stamps[at].micros()).collect();
                    prop_assert!(group.windows(2).all(|pair| pair[1] == pair[0] + 1));
                    prop_assert!(group.last().is_none_or(|last| last % 1000 == 0));
                }
                let milliseconds: std::collections::HashSet<_> = stamps.iter().map(|stamp| stamp.micros() / 1000).collect();
                prop_assert!(taken.is_disjoint(&milliseconds));
                taken.extend(milliseconds);
                newest = stamps.into_iter().max().unwrap();
            }
        }
    }
}
