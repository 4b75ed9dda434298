//! Which entries a page gave out: their `date_added`, in few numbers.

use crate::taxii::timestamp::Timestamp;

/// The `date_added` of the entries given out, in ascending order, in microseconds since the
/// Unix epoch: the first, and then by turns how many stand one microsecond apart (a run),
/// and how far the next one is from the last of the run (a gap).
///
/// What was pushed together is stamped so: a page of it is usually two numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    numbers: Vec<i64>,
    count: usize,
    last: i64,
}

impl Given {
    /// Takes one more in, added later than all before it.
    pub fn push(&mut self, date_added: Timestamp) {
        let stamp = date_added.micros();
        match (stamp.saturating_sub(self.last), self.numbers.last_mut()) {
            (1, Some(run)) => *run += 1,
            (gap, Some(_)) => self.numbers.extend([gap, 1]),
            (_, None) => self.numbers.extend([stamp, 1]),
        }
        self.last = stamp;
        self.count += 1;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The numbers as described above.
    pub fn as_slice(&self) -> &[i64] {
        &self.numbers
    }
}

impl FromIterator<Timestamp> for Given {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(stamps: I) -> Self {
        let mut given = Self::default();
        stamps.into_iter().for_each(|stamp| given.push(stamp));
        given
    }
}

/// The runs that such numbers describe: first and last `date_added` of each, in microseconds.
/// Numbers that describe nothing end the list.
pub fn runs(numbers: &[i64]) -> impl Iterator<Item = (i64, i64)> {
    let mut end = 0i64;
    numbers.chunks_exact(2).map_while(move |pair| {
        let begin = end.checked_add(pair[0])?;
        end = begin.checked_add(pair[1])?.checked_sub(1)?;
        (pair[1] > 0).then_some((begin, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn micros(stamps: &[i64]) -> Given {
        stamps.iter().copied().map(Timestamp::from_micros).collect()
    }

    #[test]
    fn what_was_pushed_together_is_two_numbers() {
        assert_eq!(micros(&[5, 6, 7]).as_slice(), [5, 3]);
        assert_eq!(micros(&[5, 6, 9, 20, 21]).as_slice(), [5, 2, 3, 1, 11, 2]);
        assert_eq!(micros(&[]).as_slice(), [0i64; 0]);
        assert_eq!(runs(&[5, 2, 3, 1, 11, 2]).collect::<Vec<_>>(), [(5, 6), (9, 9), (20, 21)]);
        assert_eq!(runs(&[5, 0, i64::MAX, i64::MAX]).count(), 0);
    }

    proptest! {
        #[test]
        fn the_numbers_say_exactly_which(stamps in prop::collection::btree_set(1i64..500, 0..200)) {
            let given = micros(&stamps.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(given.count(), stamps.len());
            let again: BTreeSet<i64> = runs(given.as_slice()).flat_map(|(begin, end)| begin..=end).collect();
            prop_assert_eq!(again, stamps);
        }
    }
}
