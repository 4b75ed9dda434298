//! The page cache: finished pages, and where there is nothing new, for as long as they are true.
//!
//! A page is found again only by who asks for the same in the same world: two callers never share one
//! unless each would be given it anyway. It holds in the edition of its collection that it was made in, and
//! until the next entry ends. What leaves by the cache is told to the trail as if it came from the store.

use super::forms::Finished;
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::store::Edition;
use crate::taxii::filter::Filter;
use crate::taxii::timestamp::Timestamp;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::sync::Arc;

/// What is asked, by whom: all that a page depends on beside time and edition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) collection: CollectionKey,
    pub(super) organisation: OrganisationKey,
    pub(super) level: Option<Level>,
    pub(super) own: Level,
    /// The endpoint, and the object that its path names.
    pub(super) view: (&'static str, Option<String>),
    pub(super) filter: Filter,
    pub(super) part: Part,
}

/// Which part of all that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// What was added later than this, and not more than so many.
    Page(Option<Timestamp>, usize),
    /// What comes after the last of it.
    End,
}

/// When an answer is true.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    edition: u64,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Span {
    /// For who looks now, in this edition.
    pub(super) fn new(edition: Edition, world: World) -> Self {
        Self { edition: edition.number, from: world.at, until: edition.next_end }
    }

    /// The number of the edition.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether it still is for who looks at the beginning of another span.
    fn reaches(&self, now: &Self) -> bool {
        self.edition == now.edition && self.from <= now.from && self.until.is_none_or(|until| now.from < until)
    }
}

/// Something known, while it is true.
#[derive(Clone, Debug)]
struct Slot {
    span: Span,
    octets: u64,
    known: Known,
}

#[derive(Clone, Debug)]
enum Known {
    /// It was asked, once.
    Asked,
    Page(Arc<Finished>),
    /// There is nothing that was added later than this.
    NothingAfter(Option<Timestamp>),
}

#[derive(Clone, Debug)]
struct Octets;

impl Weighter<Question, Slot> for Octets {
    fn weight(&self, _: &Question, slot: &Slot) -> u64 {
        slot.octets
    }
}

/// What is known. Nothing is, if no memory may be taken for it.
pub(super) struct Pages(Option<Cache<Question, Slot, Octets>>);

impl Pages {
    /// As much as fits into so many octets, if pages have no more than `page` each.
    pub(super) fn new(octets: u64, page: usize) -> Self {
        /// More of them than workers would compete for.
        const MOST_SHARDS: u64 = 16;
        /// Of the largest pages, that many fit into a shard, without their other forms: what is left over is wasted.
        const PAGES: u64 = 8;
        /// What a page usually has, in octets, more or less.
        const USUAL: u64 = 16 << 10;
        let shards = (octets / (PAGES * page as u64).max(1)).clamp(1, MOST_SHARDS);
        let options = OptionsBuilder::new()
            .weight_capacity(octets)
            .estimated_items_capacity(usize::try_from(octets / USUAL).unwrap_or(usize::MAX))
            .shards(usize::try_from(shards).unwrap_or(1))
            .build();
        let cache =
            |options| Cache::with_options(options, Octets, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self(options.ok().filter(|_| octets > 0).map(cache))
    }

    /// The page that answers a question, if it is known and true.
    pub(super) fn page(&self, question: &Question, now: &Span) -> Option<Arc<Finished>> {
        match self.known(question, now)? {
            Known::Page(page) => Some(page),
            Known::Asked | Known::NothingAfter(_) => None,
        }
    }

    /// Whether it is known that there is nothing to be found after `after`.
    pub(super) fn is_end(&self, question: &Question, after: Option<Timestamp>, now: &Span) -> bool {
        let end = Question { part: Part::End, ..question.clone() };
        matches!(self.known(&end, now), Some(Known::NothingAfter(end)) if end <= after)
    }

    /// Marks a question as asked, and tells whether its answer, which has so many items, is to be kept: from the
    /// second time on. Most pages are asked for once, and would only put others out. What has nothing in it is small,
    /// and asked for often.
    pub(super) fn ask(&self, question: &Question, span: Span, items: usize) -> bool {
        let is_wanted = items == 0 || self.known(question, &span).is_some();
        if !is_wanted {
            self.insert(question.clone(), span, 0, Known::Asked);
        }
        is_wanted
    }

    /// Keeps a page.
    pub(super) fn keep(&self, question: &Question, span: Span, page: &Arc<Finished>) {
        self.insert(question.clone(), span, page.octets(), Known::Page(Arc::clone(page)));
    }

    /// Weighs a page anew that has got another form, if it is kept.
    pub(super) fn weigh(&self, question: &Question, span: Span, page: &Arc<Finished>) {
        let is_it = |known| matches!(known, Known::Page(kept) if Arc::ptr_eq(&kept, page));
        // Where two forms are made at the same time, the later of the two weighs both.
        let mut weighed = 0;
        while weighed != page.octets() && self.known(question, &span).is_some_and(is_it) {
            weighed = page.octets();
            self.insert(question.clone(), span, weighed, Known::Page(Arc::clone(page)));
        }
    }

    /// Keeps that there is nothing after this.
    pub(super) fn keep_end(&self, question: &Question, span: Span, end: Option<Timestamp>) {
        self.insert(Question { part: Part::End, ..question.clone() }, span, 0, Known::NothingAfter(end));
    }

    fn known(&self, question: &Question, now: &Span) -> Option<Known> {
        let slot = self.0.as_ref()?.get(question)?;
        slot.span.reaches(now).then_some(slot.known)
    }

    fn insert(&self, question: Question, span: Span, octets: usize, known: Known) {
        /// What the cache itself needs for one.
        const OVERHEAD: usize = 64;
        let Some(cache) = &self.0 else { return };
        let id = question.view.1.as_ref().map_or(0, String::len);
        let own = size_of::<Question>() + size_of::<Slot>() + OVERHEAD + question.filter.memory() + id;
        cache.insert(question, Slot { span, octets: (own + octets) as u64, known });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Given;
    use crate::exchange::Coding;
    use crate::exchange::forms::Compressed;

    fn question(n: i64) -> Question {
        Question {
            collection: CollectionKey(1),
            organisation: OrganisationKey(1),
            level: None,
            own: Level::Red,
            view: ("objects", None),
            filter: Filter::default(),
            part: Part::Page(Some(Timestamp::from_micros(n)), 1000),
        }
    }

    fn span(edition: u64, from: i64, until: Option<i64>) -> Span {
        Span { edition, from: Timestamp::from_micros(from), until: until.map(Timestamp::from_micros) }
    }

    fn page(octets: usize) -> Arc<Finished> {
        let dates = (Timestamp::EPOCH, Timestamp::EPOCH);
        // Noise, which gets no shorter.
        let mut noise = 1_u32;
        let body = (0..octets).map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        });
        let body = body.collect();
        let (given, compressed) = (Given::default(), Compressed::default());
        let (tag, query) = (String::new(), String::new());
        Arc::new(Finished { body, items: 1, dates, given, tag, query, compressed })
    }

    #[test]
    fn a_page_is_kept_for_who_asks_again_and_one_with_nothing_in_it_at_once() {
        let pages = Pages::new(1 << 20, 1 << 10);
        let (first, second) = (span(1, 0, None), span(2, 0, None));
        assert!(!pages.ask(&question(1), first, 1), "it was asked for once");
        pages.weigh(&question(1), first, &page(100));
        assert!(pages.page(&question(1), &first).is_none());
        assert!(!pages.ask(&question(1), second, 1), "once in this edition");
        assert!(pages.ask(&question(1), second, 1));
        assert!(pages.ask(&question(2), second, 0));
    }

    #[test]
    fn questions_count_with_all_their_values() {
        const MOST: usize = 4 << 20;
        /// What one of the values takes: a text, and a piece of the heap.
        const VALUE: usize = 24 + 32;
        let pages = Pages::new(MOST as u64, 1 << 20);
        let values = || Some(vec!["a".to_owned(); 500]);
        let asking = |n| Question {
            organisation: OrganisationKey(n),
            filter: Filter { types: values(), ids: values(), ..Filter::default() },
            ..question(n)
        };
        let now = span(1, 0, None);
        let bounds = 10..=MOST / (1000 * VALUE);
        (0..1000).for_each(|n| pages.keep_end(&asking(n), now, None));
        let ends = (0..1000).filter(|n| pages.is_end(&asking(*n), None, &now)).count();
        assert!(bounds.contains(&ends), "{ends}");
        let pages = Pages::new(MOST as u64, 1 << 20);
        (0..1000).for_each(|n| pages.keep(&asking(n), now, &page(2)));
        let kept = (0..1000).filter(|n| pages.page(&asking(*n), &now).is_some()).count();
        assert!(bounds.contains(&kept), "{kept}");
    }

    #[test]
    fn what_is_kept_is_bounded_by_its_octets_in_all_its_forms() {
        const MOST: u64 = 4 << 20;
        let pages = Pages::new(MOST, 100 << 10);
        for n in 0..400 {
            let page = page(50_000 + 100 * usize::try_from(n).unwrap());
            pages.keep(&question(n), span(1, 0, None), &page);
            page.make(Coding::Zstd);
            page.make(Coding::Gzip);
            pages.weigh(&question(n), span(1, 0, None), &page);
        }
        let there = (0..400).filter_map(|n| pages.page(&question(n), &span(1, 0, None)));
        let forms = |page: Arc<Finished>| {
            let compressed = [Coding::Gzip, Coding::Zstd].map(|coding| page.made(coding).unwrap().len());
            page.body.len() + compressed.iter().sum::<usize>()
        };
        let octets: Vec<usize> = there.map(forms).collect();
        assert!(octets.iter().sum::<usize>() as u64 <= MOST && octets.len() > 5, "{octets:?}");
        assert!(octets.iter().all(|octets| *octets > 140_000), "with all its forms: {octets:?}");
    }

    #[test]
    fn many_polls_are_bounded_too() {
        let pages = Pages::new(1 << 20, 1 << 20);
        for n in 0..100_000 {
            pages.keep(&question(n), span(1, 0, None), &page(2));
        }
        let there = (0..100_000).filter(|n| pages.page(&question(*n), &span(1, 0, None)).is_some()).count();
        assert!((1_000..5_000).contains(&there), "{there}");
    }

    #[test]
    fn a_page_as_large_as_may_be_is_kept_and_without_memory_none_is() {
        for (octets, kept) in [(64 << 20, true), (1 << 20, false), (0, false)] {
            let pages = Pages::new(octets, 4 << 20);
            pages.keep(&question(1), span(1, 0, None), &page(4 << 20));
            assert_eq!(pages.page(&question(1), &span(1, 0, None)).is_some(), kept, "{octets}");
        }
    }

    #[test]
    fn what_is_known_holds_in_its_edition_and_its_time() {
        let pages = Pages::new(1 << 20, 1 << 10);
        pages.keep(&question(1), span(7, 10, Some(20)), &page(2));
        pages.keep_end(&question(1), span(7, 10, Some(20)), Some(Timestamp::from_micros(5)));
        for (now, holds) in [
            (span(7, 10, None), true),
            (span(7, 19, Some(30)), true),
            (span(7, 20, Some(30)), false),
            (span(7, 9, Some(20)), false),
            (span(8, 15, Some(20)), false),
            (span(6, 15, Some(20)), false),
        ] {
            let end = |micros| pages.is_end(&question(99), Some(Timestamp::from_micros(micros)), &now);
            assert_eq!(pages.page(&question(1), &now).is_some(), holds, "{now:?}");
            assert_eq!([end(4), end(5), end(6)], [false, holds, holds], "{now:?}");
        }
    }

    #[test]
    fn another_caller_or_another_question_is_answered_anew() {
        let pages = Pages::new(1 << 20, 1 << 10);
        let (asked, now) = (question(1), span(1, 0, None));
        pages.keep(&asked, now, &page(2));
        pages.keep_end(&asked, now, None);
        assert!(pages.page(&asked, &now).is_some() && pages.is_end(&asked, None, &now));
        let others = [
            Question { collection: CollectionKey(2), ..asked.clone() },
            Question { organisation: OrganisationKey(2), ..asked.clone() },
            Question { level: Some(Level::Clear), ..asked.clone() },
            Question { own: Level::Amber, ..asked.clone() },
            Question { view: ("manifest", None), ..asked.clone() },
            Question { view: ("objects", Some(String::new())), ..asked.clone() },
            Question { filter: Filter { types: Some(Vec::new()), ..Filter::default() }, ..asked.clone() },
        ];
        for other in &others {
            assert!(pages.page(other, &now).is_none() && !pages.is_end(other, None, &now), "{other:?}");
        }
        let parts = [Part::Page(None, 1000), Part::Page(Some(Timestamp::from_micros(1)), 999)];
        assert!(parts.iter().all(|part| pages.page(&Question { part: *part, ..asked.clone() }, &now).is_none()));
    }
}
