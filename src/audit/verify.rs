//! Verifying a trail: from its texts and the public key alone, without trusting whoever kept it.

use super::chain::{Head, link};
use super::checkpoint::{Checkpoint, PublicKey, Signed};
use super::line::{Line, Told};
use std::cmp::Ordering;

/// Why a trail cannot be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum Unverifiable {
    /// A checkpoint that is to be trusted was not signed with a key that is known.
    #[error("the checkpoint is signed with no key that was given: name the right one with --key")]
    Foreign,
    /// It is about entries before those that are looked at.
    #[error("the checkpoint is about entry {0}, which is before the first one looked at: begin earlier")]
    TooEarly(i64),
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of the first entry looked at.
    pub first: i64,
    /// The number of the last one that was found sound.
    pub last: i64,
    /// How many checkpoints were found sound.
    pub checkpoints: usize,
    /// How many entries at the end no checkpoint is about yet.
    pub uncovered: i64,
    /// The first thing that is wrong: which entry, and what is off.
    pub fault: Option<String>,
}

/// Takes a trail line by line, and recomputes it.
#[derive(Debug)]
pub struct Verifier<'k> {
    keys: &'k [PublicKey],
    witness: Option<Checkpoint>,
    first: i64,
    head: Head,
    /// Entries of older programs have no number in their text; once one has, all later ones do.
    numbered: bool,
    covered: i64,
    checkpoints: usize,
    suspect: Option<Suspect>,
    fault: Option<String>,
}

/// The first entry that does not fit, while what comes after it tells what became of it.
#[derive(Debug)]
struct Suspect {
    /// The number that comes next.
    expected: i64,
    /// The number that the entry says, and the one that it is kept under.
    stated: i64,
    kept: i64,
    /// Whether it says no number, and should.
    mute: bool,
    /// Whether an entry with the expected number comes later.
    later: bool,
}

impl<'k> Verifier<'k> {
    /// From the first entry on. `witness` is a checkpoint that was kept elsewhere: it must still be
    /// in this history.
    pub fn new(keys: &'k [PublicKey], witness: Option<&Signed>) -> Result<Self, Unverifiable> {
        let witness = witness.map(|witness| trusted(keys, witness).ok_or(Unverifiable::Foreign)).transpose()?;
        Ok(Self {
            keys,
            witness,
            first: 1,
            head: Head::default(),
            numbered: false,
            covered: 0,
            checkpoints: 0,
            suspect: None,
            fault: None,
        })
    }

    /// The same, from the first entry after a checkpoint on.
    pub fn after(keys: &'k [PublicKey], begin: &Signed, witness: Option<&Signed>) -> Result<Self, Unverifiable> {
        let begin = trusted(keys, begin).ok_or(Unverifiable::Foreign)?;
        let verifier = Self::new(keys, witness)?;
        if let Some(early) = verifier.witness.filter(|witness| witness.head.seq < begin.head.seq) {
            return Err(Unverifiable::TooEarly(early.head.seq));
        }
        let Checkpoint { head, .. } = begin;
        let verifier =
            Self { first: head.seq + 1, head, numbered: true, covered: head.seq, checkpoints: 1, ..verifier };
        Ok(verifier.beside_witness())
    }

    /// Takes the next line.
    pub fn take(&mut self, line: &Line) {
        match line {
            Line::Entry(seq, text, link) => self.entry(*seq, text, link),
            Line::Checkpoint(signed) if self.fault.is_none() && self.suspect.is_none() => self.checkpoint(signed),
            Line::Checkpoint(_) => {}
        }
    }

    /// Takes note of a line that cannot be read.
    pub fn take_unreadable(&mut self, place: usize) {
        if self.suspect.is_none() {
            let next = self.head.seq + 1;
            self.fault.get_or_insert(format!(
                "line {place}, where entry {next} or a checkpoint is due, is not as it was written: it was changed"
            ));
        }
    }

    /// What came out of it all.
    pub fn finish(mut self) -> Report {
        let last = self.head.seq;
        self.fault = self.fault.take().or_else(|| self.suspect.as_ref().map(Suspect::in_words));
        if let Some(witness) = self.witness.filter(|witness| witness.head.seq > last) {
            self.fault.get_or_insert_with(|| cut_off(last, &witness));
        }
        let Self { first, covered, checkpoints, fault, .. } = self;
        Report { first, last, checkpoints, uncovered: last - covered, fault }
    }

    fn entry(&mut self, kept: i64, text: &str, kept_link: &[u8; 32]) {
        if self.fault.is_some() {
            return;
        }
        let number = Told::of(text).seq;
        let stated = number.unwrap_or(kept);
        if let Some(suspect) = &mut self.suspect {
            suspect.later |= stated == suspect.expected;
            return;
        }
        let expected = self.head.seq + 1;
        let mute = self.numbered && number.is_none();
        let in_order = kept == expected && stated == expected && !mute;
        let link = link(&self.head.link, text);
        if !in_order || link != *kept_link {
            self.suspect = Some(Suspect { expected, stated, kept, mute, later: false });
            return;
        }
        self.numbered = number.is_some();
        self.head = Head { seq: expected, link };
        self.fault = self.against_witness();
    }

    fn checkpoint(&mut self, signed: &Signed) {
        let last = self.head.seq;
        let Some(checkpoint) = trusted(self.keys, signed) else {
            self.fault = Some(format!(
                "the checkpoint after entry {last} was not signed as it stands with a key that was given"
            ));
            return;
        };
        let Checkpoint { head, entries, at, .. } = checkpoint;
        self.fault = if head.seq > last {
            Some(cut_off(last, &checkpoint))
        } else if head.seq < last {
            Some(format!(
                "after entry {last} stands the checkpoint about entry {}: it was moved, or {last} inserted",
                head.seq
            ))
        } else if head.link != self.head.link {
            Some(other_history(self.covered + 1, &checkpoint))
        } else if head.seq - entries != self.covered {
            Some(format!(
                "the checkpoint of {at} about the entries {}–{last} follows one about entry {}: one in between was dropped",
                head.seq - entries + 1,
                self.covered
            ))
        } else {
            None
        };
        if self.fault.is_none() {
            self.covered = last;
            self.checkpoints += 1;
        }
    }

    fn against_witness(&self) -> Option<String> {
        let witness = self.witness.filter(|witness| witness.head.seq == self.head.seq)?;
        (witness.head.link != self.head.link).then(|| other_history(self.covered + 1, &witness))
    }

    fn beside_witness(mut self) -> Self {
        self.fault = self.against_witness();
        self
    }
}

impl Suspect {
    fn in_words(&self) -> String {
        let Self { expected, stated, kept, mute, later } = self;
        match (stated.cmp(expected), later) {
            (Ordering::Greater, true) => {
                format!("entry {expected} was swapped: entry {stated} stands in its place")
            }
            (Ordering::Greater, false) => {
                format!("entry {expected} was dropped: entry {stated} stands in its place")
            }
            (Ordering::Less, _) => {
                format!("where entry {expected} is due, an entry was inserted that says it is entry {stated}")
            }
            (Ordering::Equal, true) => {
                format!("entry {expected} was inserted: another one with its number comes later")
            }
            (Ordering::Equal, false) if kept != expected => {
                format!("entry {expected} was changed: it is kept under the number {kept}")
            }
            (Ordering::Equal, false) if *mute => {
                format!("entry {expected} was changed: it does not say its number")
            }
            (Ordering::Equal, false) => {
                format!("entry {expected} was changed: its text and its link do not belong together")
            }
        }
    }
}

fn cut_off(last: i64, checkpoint: &Checkpoint) -> String {
    let Checkpoint { head, at, .. } = checkpoint;
    format!("entry {} was cut off, with all after it: the checkpoint of {at} is about entry {}", last + 1, head.seq)
}

fn other_history(first: i64, checkpoint: &Checkpoint) -> String {
    let Checkpoint { head, at, .. } = checkpoint;
    format!(
        "the entries {first}–{} are not those that were signed on {at}: from one of them on, the trail was made anew, or an old copy went on",
        head.seq
    )
}

/// What a checkpoint says, if one of these keys signed it.
fn trusted(keys: &[PublicKey], signed: &Signed) -> Option<Checkpoint> {
    let checkpoint = signed.read()?;
    let key = keys.iter().find(|key| key.id() == checkpoint.key)?;
    key.signed(signed).then_some(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::checkpoint::tests::signer;
    use crate::audit::{Action, Actor, Entry, GENESIS};
    use crate::taxii::timestamp::Timestamp;
    use proptest::prelude::*;

    fn entry(n: i64) -> Entry {
        let action = Action::Gap { lost: n.unsigned_abs() };
        Entry { at: Timestamp::from_micros(n), actor: Actor::default(), action }
    }

    /// A trail whose first entries are of an older program, with a checkpoint after every tenth
    /// entry; `twist` makes its entries others than those of another trail.
    fn trail(old: i64, entries: i64, twist: i64) -> Vec<Line> {
        let (signer, _) = signer(1);
        let (mut head, mut lines) = (Head::default(), Vec::new());
        for n in 1..=entries {
            if n <= old {
                let text = format!("{{\"old\":{n}}}");
                head = Head { seq: n, link: link(&head.link, &text) };
                lines.push(Line::Entry(n, text, head.link));
            } else {
                let text = head.append(&entry(n + twist));
                lines.push(Line::Entry(n, text, head.link));
            }
            if n % 10 == 0 {
                lines.push(Line::Checkpoint(signer.sign(head, 10, Timestamp::from_micros(n))));
            }
        }
        lines
    }

    fn checkpoint(lines: &[Line]) -> Signed {
        let last = lines.iter().rev().find_map(|line| match line {
            Line::Checkpoint(signed) => Some(signed.clone()),
            Line::Entry(..) => None,
        });
        last.unwrap()
    }

    fn verify(lines: &[Line], witness: Option<&Signed>) -> Report {
        let keys = [signer(1).1];
        let mut verifier = Verifier::new(&keys, witness).unwrap();
        lines.iter().for_each(|line| verifier.take(line));
        verifier.finish()
    }

    fn fault(lines: &[Line], witness: Option<&Signed>) -> String {
        verify(lines, witness).fault.unwrap_or_default()
    }

    /// Links every entry anew, as who has the store but not the key can.
    fn relink(lines: &mut [Line]) {
        let mut previous = GENESIS;
        for line in lines {
            if let Line::Entry(_, text, own) = line {
                *own = link(&previous, text);
                previous = *own;
            }
        }
    }

    /// Numbers the places anew, as a database does.
    fn renumber(lines: &mut [Line]) {
        let entries = lines.iter_mut().filter_map(|line| match line {
            Line::Entry(seq, ..) => Some(seq),
            Line::Checkpoint(_) => None,
        });
        (1..).zip(entries).for_each(|(n, seq)| *seq = n);
    }

    #[test]
    fn a_sound_trail_is_sound_and_its_uncovered_end_is_counted() {
        let lines = trail(3, 25, 0);
        let report = verify(&lines, Some(&checkpoint(&lines)));
        assert_eq!(report, Report { first: 1, last: 25, checkpoints: 2, uncovered: 5, fault: None });
        let keys = [signer(1).1];
        let Line::Checkpoint(begin) = &lines[10] else { panic!() };
        let mut verifier = Verifier::after(&keys, begin, None).unwrap();
        lines[11..].iter().for_each(|line| verifier.take(line));
        let expected = Report { first: 11, last: 25, checkpoints: 2, uncovered: 5, fault: None };
        assert_eq!(verifier.finish(), expected);
    }

    #[test]
    fn the_first_that_is_off_is_named_and_how() {
        let sound = trail(3, 25, 0);
        let edited = |edit: &dyn Fn(&mut Vec<Line>)| {
            let mut lines = sound.clone();
            edit(&mut lines);
            fault(&lines, None)
        };
        // The entries 11 to 20 stand at 11 to 20: a checkpoint is before them.
        let dropped = edited(&|lines| drop(lines.remove(12)));
        assert!(dropped.starts_with("entry 12 was dropped: entry 13"), "{dropped}");
        let renumbered = edited(&|lines| {
            lines.remove(12);
            renumber(lines);
        });
        assert!(renumbered.starts_with("entry 12 was dropped: entry 13"), "{renumbered}");
        let swapped = edited(&|lines| {
            lines.swap(12, 15);
            renumber(lines);
        });
        assert!(swapped.starts_with("entry 12 was swapped: entry 15"), "{swapped}");
        let copied = edited(&|lines| {
            lines.insert(12, lines[3].clone());
            renumber(lines);
        });
        assert!(copied.starts_with("where entry 12 is due, an entry was inserted"), "{copied}");
        let forged = edited(&|lines| {
            let text = entry(99).text(12);
            lines.insert(12, Line::Entry(12, text, [1; 32]));
            renumber(lines);
        });
        assert!(forged.starts_with("entry 12 was inserted: another one"), "{forged}");
        let changed = edited(&|lines| lines[12] = Line::Entry(12, entry(99).text(12), [1; 32]));
        assert!(changed.starts_with("entry 12 was changed: its text and its link"), "{changed}");
        let anew = edited(&|lines| {
            lines[12] = Line::Entry(12, entry(99).text(12), [1; 32]);
            relink(lines);
        });
        assert!(anew.starts_with("the entries 11–20 are not those that were signed"), "{anew}");
        let unsigned = edited(&|lines| drop(lines.remove(10)));
        assert!(unsigned.contains("one in between was dropped"), "{unsigned}");
        let cut = fault(&sound[..15], Some(&checkpoint(&sound)));
        assert!(cut.starts_with("entry 15 was cut off, with all after it"), "{cut}");
        let old = edited(&|lines| {
            lines[5] = Line::Entry(6, "{\"old\":6}".to_owned(), [1; 32]);
            relink(lines);
        });
        assert!(old.starts_with("entry 6 was changed: it does not say its number"), "{old}");
    }

    #[test]
    fn another_keys_checkpoints_count_for_nothing() {
        let mut lines = trail(0, 20, 0);
        let (other, _) = signer(2);
        let Line::Entry(seq, _, link) = lines[20] else { panic!() };
        let head = Head { seq, link };
        lines[21] = Line::Checkpoint(other.sign(head, 10, Timestamp::EPOCH));
        assert!(fault(&lines, None).contains("was not signed"));
        let forged = other.sign(head, 10, Timestamp::EPOCH);
        assert!(Verifier::new(&[signer(1).1], Some(&forged)).is_err());
    }

    /// A way to tamper: what is done, at which place, and how thoroughly.
    #[derive(Clone, Debug)]
    struct Edit {
        kind: usize,
        at: usize,
        other: usize,
        thorough: bool,
    }

    fn an_edit() -> impl Strategy<Value = Edit> {
        let parts = (0..8usize, 0..1000usize, 0..1000usize, any::<bool>());
        parts.prop_map(|(kind, at, other, thorough)| Edit { kind, at, other, thorough })
    }

    fn tamper(lines: &mut Vec<Line>, edit: &Edit) {
        let places: Vec<usize> = (0..lines.len()).filter(|at| matches!(lines[*at], Line::Entry(..))).collect();
        let at = places[edit.at % places.len()];
        let other = places[edit.other % places.len()];
        match edit.kind {
            0 => {
                if let Line::Entry(seq, text, _) = &mut lines[at] {
                    *text = entry(*seq + 1000).text(*seq);
                }
            }
            1 => drop(lines.remove(at)),
            2 => lines.swap(at, if at == other { places[0].max(usize::from(at == places[0])) } else { other }),
            3 => lines.insert(at, lines[other].clone()),
            4 => lines.truncate(at),
            // An old copy that went on otherwise, or not at all.
            5 => *lines = [&lines[..at], &trail(2, 25 + 40, 7)[at..]].concat(),
            6 => *lines = trail(2, 25 + 40, 7),
            _ => {
                if let Line::Entry(_, _, link) = &mut lines[at] {
                    link[edit.other % 32] ^= 1;
                }
            }
        }
        if edit.thorough {
            renumber(lines);
            relink(lines);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// LOG-4: all that is done to entries before a checkpoint that was kept elsewhere is found.
        #[test]
        fn every_edit_before_a_kept_checkpoint_is_found(edit in an_edit()) {
            let sound = trail(2, 40, 0);
            let witness = checkpoint(&sound);
            prop_assert_eq!(verify(&sound, Some(&witness)).fault, None);
            let mut lines = sound.clone();
            tamper(&mut lines, &edit);
            // Swapping an entry with itself, or relinking what was only mislinked, changes nothing.
            let unchanged = lines == sound;
            prop_assert_eq!(verify(&lines, Some(&witness)).fault.is_none(), unchanged, "{:?}", edit);
        }
    }
}
