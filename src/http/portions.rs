//! Portions: how much of what comes the framework is handed at a time.
//!
//! Left alone, it reads until its buffer of 128 KiB is full, and looks at what it has only then. So it
//! is handed a portion, and no more before it has looked at that. A request's head may have so many of
//! them until the framework has found its end; then it is too long.
//!
//! Where a head ends, and a body begins, is for the framework to say. Nothing here reads a head:
//! there are no two opinions of it.

/// A portion, in octets. Many short requests can be in one, and each takes memory of its own.
const PORTION: usize = 8 << 10;

/// The longest head that is waited for, in octets, request line and all: the longest query, which
/// filters need that are repeated beside a cursor, with more beside it than clients send. The framework
/// reads longer URLs than fit with it (65,534 octets).
pub(super) const LONGEST_HEAD: usize = 72 << 10;

/// What one connection has been handed.
#[derive(Debug, Default)]
pub(super) struct Portions {
    /// Octets that the framework has not looked at.
    unseen: usize,
    /// Octets since it last found the end of a head, while it looked for one.
    head: usize,
}

/// What it is handed next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// As many octets as have come, up to this many.
    Octets(usize),
    /// None, until it has looked at those that it has.
    Look,
    /// None any more: it has looked at as many as a head may have, and found no end.
    TooLong,
}

impl Portions {
    /// What the framework is handed; `of_a_head`: it looks for the end of one.
    pub(super) fn next(&self, of_a_head: bool) -> Next {
        let room = if of_a_head { LONGEST_HEAD.saturating_sub(self.head) } else { PORTION };
        match room.min(PORTION.saturating_sub(self.unseen)) {
            0 if self.unseen > 0 => Next::Look,
            0 => Next::TooLong,
            most => Next::Octets(most),
        }
    }

    /// So many were handed to it.
    pub(super) fn handed(&mut self, octets: usize, of_a_head: bool) {
        self.unseen += octets;
        if of_a_head {
            self.head += octets;
        }
    }

    /// It was told that there is nothing now: it looks at what it has.
    pub(super) fn looked_at(&mut self) {
        self.unseen = 0;
    }

    /// It found the end of a head.
    pub(super) fn head_ended(&mut self) {
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_too_long_only_once_all_of_it_was_looked_at() {
        let (mut portions, mut looks) = (Portions::default(), 0);
        for handed in 0..LONGEST_HEAD {
            assert!(matches!(portions.next(true), Next::Octets(1..=PORTION)), "after {handed}");
            portions.handed(1, true);
            if portions.next(true) == Next::Look {
                portions.looked_at();
                looks += 1;
            }
        }
        assert_eq!((portions.next(true), looks), (Next::TooLong, LONGEST_HEAD / PORTION));
        portions.head_ended();
        assert_eq!(portions.next(true), Next::Octets(PORTION));
    }

    #[test]
    fn what_is_not_of_a_head_has_no_end() {
        let mut portions = Portions::default();
        for _ in 0..100 {
            assert_eq!(portions.next(false), Next::Octets(PORTION));
            portions.handed(PORTION, false);
            assert_eq!(portions.next(false), Next::Look);
            portions.looked_at();
        }
        assert_eq!(portions.next(true), Next::Octets(PORTION));
    }
}
