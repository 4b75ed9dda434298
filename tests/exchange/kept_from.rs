//! Twin worlds once more, with all that keeps an object from a member: levels, markings that nobody knows yet,
//! holds, embargoes, quarantine, the dates of policies. In the first world things are hidden from the member, and
//! come to it and leave it. In the second, what is hidden is not there: it is pushed when the member comes to see
//! it, and deleted when it no longer does. The member cannot tell which world it is in.

use crate::model::{
    ADDRESSES, DEFINITIONS, EAST, Entry, IDS, Item, Mark, Model, NEVER, ORGANISATIONS, Real as _, Shown, Step,
    VERSIONS, WEST, Which, few, inside, marking, marks, object_id, shown, take, text,
};
use crate::support::clock::Still;
use crate::support::inside::{Inside, ROOT};
use crate::support::objects::envelope;
use crate::support::server::RW;
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::stix::marking::TLP;
use entente::store::registry::{Downgrade, Rule};
use entente::taxii::filter::Filter;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashSet;

/// What happens, and up to which level the member reads.
#[derive(Clone, Debug)]
struct History {
    level: Level,
    steps: Vec<Step>,
}

/// Names an entry, in both worlds.
type Name = (String, Option<String>, usize);

fn name(entry: &Entry) -> Name {
    (entry.id.clone(), entry.version.clone(), entry.owner)
}

/// What a history is about: the second world cannot follow all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plot {
    /// Definitions come when they come; objects are held one by one; addresses come by themselves.
    LateDefinitions,
    /// All definitions are there from the beginning; all is held from some time on; there are no addresses.
    EarlyDefinitions,
    /// All is marked with predefined markings; all is held from some time on.
    Predefined,
}

/// Each organisation has one indicator of its own, and all but who manages push addresses.
fn histories() -> impl Strategy<Value = History> {
    let item = prop_oneof![
        5 => (0..VERSIONS, marks()).prop_map(|(version, marks)| Item::Version(0, version, marks)),
        2 => (0..ADDRESSES, 0..2u8, marks()).prop_map(|(n, value, marks)| Item::Address(n, value, marks)),
        2 => (0..NEVER).prop_map(Item::Definition),
    ];
    let which = prop_oneof![Just(Which::All), Just(Which::Last), (0..VERSIONS).prop_map(Which::Version)];
    let from = prop::sample::subsequence(vec![EAST, 1, 2], 0..=2);
    let step = prop_oneof![
        8 => (0..ORGANISATIONS.len(), vec(item, 1..6)).prop_map(|(who, items)| Step::Push(who, items)),
        1 => (0..ORGANISATIONS.len(), 0..IDS + ADDRESSES, which).prop_map(|(who, n, which)| Step::Delete(who, n, which)),
        3 => (prop::option::weighted(0.7, 0..IDS + ADDRESSES), 0..3u64, from, 1..6u64)
            .prop_map(|(n, ago, from, half_hours)| Step::Hold(n, ago, from, half_hours)),
        3 => (0..8usize).prop_map(Step::Release),
        2 => (1..4u64).prop_map(Step::Turn),
        1 => prop::sample::select(vec![Downgrade::Allow, Downgrade::Quarantine]).prop_map(Step::Policy),
    ];
    let level = prop::sample::select(vec![Level::Green, Level::Amber, Level::AmberStrict]);
    let plot = prop::sample::select(vec![Plot::LateDefinitions, Plot::EarlyDefinitions, Plot::Predefined]);
    (level, plot, vec(step, 1..24)).prop_map(|(level, plot, steps)| History { level, steps: fit(plot, steps) })
}

fn fit(plot: Plot, steps: Vec<Step>) -> Vec<Step> {
    let mut fitted = Vec::new();
    if plot == Plot::EarlyDefinitions {
        fitted.push(Step::Push(WEST, (0..NEVER).map(Item::Definition).collect()));
        fitted.push(Step::Turn(1));
    }
    let predefined = |marks: Vec<Mark>| marks.into_iter().filter(|mark| !matches!(mark, Mark::Defined(_))).collect();
    for step in steps {
        match step {
            Step::Push(who, items) => {
                let fits = |item: Item| match item {
                    Item::Version(_, version, marks) if who != WEST => {
                        let marks = if plot == Plot::Predefined { predefined(marks) } else { marks };
                        Some(Item::Version(who, version, marks))
                    }
                    Item::Address(n, value, marks) if who != WEST && plot != Plot::EarlyDefinitions => {
                        Some(Item::Address(n, value, predefined(marks)))
                    }
                    Item::Definition(_) if plot == Plot::LateDefinitions => Some(item),
                    _ => None,
                };
                let items = items.into_iter().filter_map(fits);
                let apart = |item: &Item| plot == Plot::LateDefinitions && matches!(item, Item::Address(..));
                if who == EAST {
                    // In which order its own come of one push, depends on what is held of them from others.
                    fitted.extend(items.map(|item| Step::Push(who, vec![item])));
                    continue;
                }
                let (addresses, others) = items.partition::<Vec<_>, _>(apart);
                fitted.extend([others, addresses].map(|items| Step::Push(who, items)));
            }
            Step::Hold(None, _, from, half_hours) => {
                let n = (plot == Plot::LateDefinitions).then_some(1);
                // Nothing is held that was there before the definitions.
                fitted.push(Step::Hold(n, 0, from, half_hours));
            }
            step => fitted.push(step),
        }
    }
    fitted.retain(|step| !matches!(step, Step::Push(_, items) if items.is_empty()));
    fitted
}

/// The two worlds.
struct Twins {
    model: Model,
    first: Inside,
    second: Inside,
}

impl Twins {
    fn new(level: Level, in_memory: bool) -> Self {
        let clock = Still::default();
        let (first, second) = (inside(in_memory, clock.twin()), inside(in_memory, clock.twin()));
        let mut model = Model::new(clock.now());
        take(&mut model, &first, &Step::Grant(EAST, Some((Some(level), true))));
        for (who, name) in ORGANISATIONS.iter().enumerate() {
            let read = Some(if who == EAST { level } else { Level::Red });
            second.grant(name, RW, Some(Rights { read, write: true, manage: who == WEST, relay: true }));
        }
        Self { model, first, second }
    }

    /// What the member sees.
    fn seen(&self) -> HashSet<Name> {
        self.model.entries.iter().filter(|entry| self.model.sees(EAST, entry)).map(name).collect()
    }

    fn step(&mut self, step: &Step) {
        if self.is_about_the_members_own(step) {
            return;
        }
        let already: Vec<String> = self.dates();
        let (before, there) = (self.seen(), self.model.entries.iter().map(name).collect::<Vec<_>>());
        if let Step::Push(EAST, items) = step {
            let texts: Vec<String> = items.iter().map(|item| text(self.model.start, item)).collect();
            assert_eq!(said(&self.first, &texts), said(&self.second, &texts), "{step:?}");
        }
        if let Step::Delete(EAST, n, Which::Version(0)) = step {
            // What is not its own is refused in the same words.
            let refused = [&self.first, &self.second].map(|world| {
                let deleting = world.session(ORGANISATIONS[EAST]).deleting(ROOT, RW).unwrap();
                let odd = Filter { types: Some(vec!["x".to_owned()]), ..Filter::default() };
                deleting.delete(&object_id(*n), odd).unwrap_err().to_string()
            });
            assert_eq!(refused[0], refused[1], "{step:?}");
        }
        take(&mut self.model, &self.first, step);
        let fresh: Vec<String> = self.dates().into_iter().filter(|date| !already.contains(date)).collect();
        stand_close(&fresh);
        self.happens_in_the_second(step);
        let after = self.seen();
        for (id, version, owner) in before.iter().filter(|name| !after.contains(*name)) {
            let which = version.as_ref().map_or_else(|| "all".to_owned(), Clone::clone);
            let status = self.second.delete(ORGANISATIONS[*owner], RW, id, &format!("match[version]={which}"));
            assert_eq!(status, 200, "{id} {version:?}");
        }
        let came: Vec<Entry> =
            self.model.entries.iter().filter(|entry| after.contains(&name(entry))).cloned().collect();
        let came = came.into_iter().filter(|entry| entry.owner != EAST && !before.contains(&name(entry)));
        // What was pushed in this step comes together; what was let go, as it was given out.
        let (pushed, freed): (Vec<Entry>, Vec<Entry>) = came.partition(|entry| !there.contains(&name(entry)));
        self.push(&self.groups(pushed, &already).concat());
        for group in self.groups(freed, &already) {
            self.push(&group);
        }
        // What a manager says that a definition means concerns everybody who sees that.
        self.mean(ORGANISATIONS[WEST], &self.model.meant_by(WEST));
    }

    /// Sends definitions in the second world that are there already.
    fn mean(&self, who: &str, definitions: &[usize]) {
        let is_there = |k: &&usize| {
            self.second.get(who, RW, "manifest", &format!("match[id]={}", marking(**k))).items().len() == 1
        };
        let there = definitions.iter().filter(is_there);
        let meant: Vec<String> = there.map(|k| text(self.model.start, &Item::Definition(*k))).collect();
        if !meant.is_empty() {
            self.second.push(who, RW, &meant);
        }
    }

    /// When what the member sees was added.
    fn dates(&self) -> Vec<String> {
        shown(&self.model, &self.first, EAST).into_iter().map(|shown| shown.date_added).collect()
    }

    /// A release of what the member owns changes what it is told next; that is its own affair.
    fn is_about_the_members_own(&self, step: &Step) -> bool {
        let Step::Release(at) = step else { return false };
        let holds = self.first.holds();
        holds.get(at % holds.len().max(1)).is_some_and(|hold| hold["object"] == object_id(EAST))
    }

    /// What the member does, and what concerns everybody, happens in both.
    fn happens_in_the_second(&self, step: &Step) {
        match step {
            Step::Push(EAST, items) => {
                let texts: Vec<String> = items.iter().map(|item| text(self.model.start, item)).collect();
                self.second.push(ORGANISATIONS[EAST], RW, &texts);
            }
            Step::Turn(half_hours) => {
                self.second.clock.turn_on(half_hours * 1800);
                self.second.store.tend().unwrap();
            }
            Step::Policy(downgrade) => {
                self.second.admin.set_rules(RW, &[Rule::Downgrade(*downgrade)]).unwrap();
            }
            _ => {}
        }
    }

    /// What others pushed with one request, or was let go as one. Whoever can sees no other's addresses.
    fn push(&self, entries: &[Entry]) {
        let Some(owner) = entries.iter().map(|entry| ORGANISATIONS[entry.owner]).next() else { return };
        let texts: Vec<String> = entries.iter().map(|entry| entry.text.clone()).collect();
        let rules = self.second.admin.collection(RW).unwrap().rules;
        self.second.admin.set_rules(RW, &[Rule::Downgrade(Downgrade::Allow)]).unwrap();
        let manage = owner == ORGANISATIONS[WEST];
        let grant = |read| self.second.grant(owner, RW, Some(Rights { read, write: true, manage, relay: true }));
        let needed: Vec<usize> = entries.iter().flat_map(Entry::needed_definitions).collect();
        grant((!needed.is_empty()).then_some(Level::Red));
        // In the first world its owner or a manager has said that it means these.
        self.mean(owner, &needed);
        assert_eq!(self.second.push(owner, RW, &texts).failures(), &[], "{entries:?}");
        grant(Some(Level::Red));
        // What is seen in the first world although its time has not come was let go by who manages.
        for hold in self.second.holds() {
            if hold.get("version_added").is_some() && hold["object"] != object_id(EAST) {
                assert_eq!(self.second.release(hold["id"].as_str().unwrap()), 200);
            }
        }
        self.second.admin.set_rules(RW, &[Rule::Downgrade(rules.downgrade)]).unwrap();
    }

    /// What came to the member together: of one owner, a microsecond apart. Not what was there already.
    fn groups(&self, mut came: Vec<Entry>, already: &[String]) -> Vec<Vec<Entry>> {
        let mut shown = shown(&self.model, &self.first, EAST);
        shown.retain(|shown| !already.contains(&shown.date_added));
        let mut groups: Vec<Vec<Entry>> = Vec::new();
        let mut last = None;
        for Shown { date_added, id, text, .. } in shown {
            let Some(at) = came.iter().position(|entry| entry.id == id && entry.text == text) else { continue };
            let (entry, millisecond) = (came.remove(at), group_of(&date_added));
            match groups.last_mut() {
                Some(group) if last == Some((entry.owner, millisecond)) => group.push(entry),
                _ => {
                    last = Some((entry.owner, millisecond));
                    groups.push(vec![entry]);
                }
            }
        }
        groups
    }

    fn look_alike(&self) {
        let (first, second) = (everything(&self.first), everything(&self.second));
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first, second);
        }
        assert_eq!(first.len(), second.len());
    }
}

/// The whole millisecond that ends a group.
fn group_of(date_added: &str) -> i64 {
    let micros = entente::taxii::timestamp::Timestamp::parse(date_added).unwrap().micros();
    -(-micros).div_euclid(1000)
}

/// Each stands on a whole millisecond, or a microsecond before the next: nobody can tell from the digits whether
/// something stands between them.
fn stand_close(dates: &[String]) {
    let micros = |date: &String| entente::taxii::timestamp::Timestamp::parse(date).unwrap().micros();
    let micros: Vec<i64> = dates.iter().map(micros).collect();
    for (at, one) in micros.iter().enumerate() {
        assert!(one % 1000 == 0 || micros.get(at + 1) == Some(&(one + 1)), "{dates:?}");
    }
}

/// What the member would be told of a push, but for when things were added.
fn said(world: &Inside, texts: &[String]) -> Vec<(String, Option<String>)> {
    let writing = world.session(ORGANISATIONS[EAST]).writing(ROOT, RW).unwrap();
    let status = writing.add(&envelope(texts).into(), true).unwrap().status;
    let details = status.successes().iter().chain(status.failures());
    details.map(|details| (details.id.clone(), details.message.clone())).collect()
}

/// All that the member is told of everything. Of a `date_added`, its place in the order counts.
fn everything(world: &Inside) -> Vec<String> {
    let member = ORGANISATIONS[EAST];
    let records = world.get(member, RW, "manifest", "match[version]=all").items();
    let dates: Vec<String> = records.iter().map(|record| record["date_added"].as_str().unwrap().to_owned()).collect();
    let mut seen = Vec::new();
    let mut ask = |view: &str, query: &str, name: &str| {
        let told = world.get(member, RW, view, query);
        let (mut headers, mut body, next) = (format!("{:?}", told.dates), told.body.clone(), told.next());
        next.iter().for_each(|next| body = body.replace(next, "…"));
        let shows_dates = view == "manifest" || view.starts_with("versions");
        for (rank, date) in dates.iter().enumerate() {
            headers = headers.replace(date, &format!("<{rank}>"));
            // The text of an object is as it was sent.
            if shows_dates {
                body = body.replace(date, &format!("<{rank}>"));
            }
        }
        seen.push(format!("{view}?{name}: {} {headers} {body}", told.status));
        next
    };
    let mut pages = |view: &str, query: &str, name: &str| {
        let mut next = ask(view, query, name);
        while let Some(place) = next {
            next = ask(view, &format!("limit=1&next={place}"), name);
        }
    };
    let ids: Vec<String> = (0..=IDS + ADDRESSES).map(object_id).chain((0..DEFINITIONS).map(marking)).collect();
    for view in ["objects", "manifest"] {
        for query in [
            "",
            "limit=1",
            "limit=2&match[version]=all",
            "match[version]=first",
            "match[version]=first,last&limit=3",
            "match[type]=ipv4-addr&limit=1",
            "match[type]=indicator&match[spec_version]=2.1",
            "match[version]=2024-01-01T00:00:01.000Z",
            "match[spec_version]=2.0",
        ] {
            pages(view, query, query);
        }
        for (rank, date) in dates.iter().enumerate() {
            pages(view, &format!("limit=2&added_after={date}"), &rank.to_string());
            pages(view, &format!("match[version]={date}"), &rank.to_string());
        }
    }
    for id in ids.iter().map(String::as_str).chain(TLP.iter().map(|tlp| tlp.id)) {
        for query in
            ["", "limit=1&match[version]=all", "match[version]=first", "match[version]=2024-01-01T00:00:02.000Z"]
        {
            pages(&format!("object/{id}"), query, query);
        }
        pages(&format!("versions/{id}"), "limit=1", "");
        pages("manifest", &format!("match[id]={id}"), id);
    }
    let session = world.session(member);
    seen.push(serde_json::to_string(&session.collection(ROOT, RW).unwrap()).unwrap());
    seen.push(format!("{:?}", session.holding(ROOT, RW).err()));
    seen
}

fn cannot_be_told_apart(history: &History, in_memory: bool) {
    let mut twins = Twins::new(history.level, in_memory);
    for (at, step) in history.steps.iter().enumerate() {
        twins.step(step);
        if at % 7 == 6 {
            twins.look_alike();
        }
    }
    twins.look_alike();
}

proptest! {
    #![proptest_config(few(30))]

    #[test]
    fn what_is_kept_from_a_member_in_whatever_way_changes_nothing_that_it_is_told(history in histories()) {
        cannot_be_told_apart(&history, true);
    }

    #[test]
    fn nor_does_it_on_disk(history in histories()) {
        cannot_be_told_apart(&history, false);
    }
}

#[test]
fn what_is_let_go_tells_nothing_of_what_has_ended_meanwhile() {
    for in_memory in [true, false] {
        let world = inside(in_memory, Still::default());
        let start = world.clock.now();
        let marks = |mark| vec![mark];
        let clear = |n| Item::Version(n, 0, marks(Mark::Tlp(4)));
        let ends = Item::Version(1, 0, marks(Mark::Defined(5)));
        let texts = [Item::Definition(5), clear(0), ends, clear(2)].map(|item| text(start, &item));
        for n in 0..IDS {
            let hold = json!({"object": object_id(n), "withheld_from": ["east"], "until": "2100-01-01T00:00:00Z", "reason": "x"});
            world.hold(&hold).unwrap();
        }
        let from =
            json!({"added_from": start, "withheld_from": ["east"], "until": "2100-01-01T00:00:00Z", "reason": "x"});
        let all = world.hold(&from).unwrap();
        world.push("north", RW, &texts);
        for hold in world.holds().iter().map(|hold| hold["id"].as_str().unwrap()).filter(|hold| *hold != all) {
            world.release(hold);
        }
        world.clock.turn_on(5 * 3600);
        world.store.tend().unwrap();
        world.release(&all);
        let records = world.get("east", RW, "manifest", "match[type]=indicator").items();
        let dates: Vec<String> =
            records.iter().map(|record| record["date_added"].as_str().unwrap().to_owned()).collect();
        assert_eq!(dates.len(), 2);
        stand_close(&dates);
    }
}
