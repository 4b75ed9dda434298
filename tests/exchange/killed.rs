//! A server that is killed again and again, under writers and pollers.

use crate::support::actor::{Actor, Answer};
use crate::support::objects::{envelope, marked};
use crate::support::process::Installation;
use crate::support::trail::{Trail, stamps};
use entente::access::level::Level;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, RwLock};
use std::thread;

const KILLS: usize = 50;
const WRITERS: usize = 8;
const OBJECTS: &str = "/api1/collections/all/objects/";

/// What writers and pollers share: where the server is now, and when it is time to end.
struct Scene {
    writer: Actor,
    address: RwLock<SocketAddr>,
    writing: AtomicBool,
    polling: AtomicBool,
    next_id: AtomicUsize,
    /// Acknowledged ids.
    kept: Mutex<Vec<String>>,
    /// Acknowledged requests, by their status ids.
    statuses: Mutex<Vec<String>>,
    /// Pages that came with something in them: first and last `date_added`, and how many.
    pages: Mutex<Vec<Page>>,
}

impl Scene {
    /// Asks until a server answers with one of these statuses.
    fn ask(&self, actor: &Actor, method: &str, path: &str, body: Option<&str>) -> Answer {
        loop {
            let address = *self.address.read().unwrap();
            match actor.at(address).attempt(method, path, body) {
                Ok(answer) if [200, 202].contains(&answer.status) => return answer,
                // On a busy machine the disk may take longer than an answer waits.
                Ok(answer) if answer.status == 503 => thread::yield_now(),
                Ok(answer) => panic!("{}", answer.text()),
                Err(_) => thread::yield_now(),
            }
        }
    }

    /// Pushes new objects of changing levels, and repeats a push until it is acknowledged.
    fn write(&self, acknowledged: &Sender<()>) {
        let mut turn = 0;
        while self.writing.load(Ordering::Relaxed) {
            turn += 1;
            let first = self.next_id.fetch_add(5, Ordering::Relaxed);
            let objects: Vec<String> = (first..first + 1 + turn % 5).map(|n| marked(n, 1, level(n))).collect();
            let status = self.ask(&self.writer, "POST", OBJECTS, Some(&envelope(&objects))).json();
            assert_eq!(status["failure_count"], 0, "{status}");
            self.statuses.lock().unwrap().push(status["id"].as_str().unwrap().to_owned());
            let ids =
                status["successes"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned());
            self.kept.lock().unwrap().extend(ids);
            // Once enough kills are done nobody counts any more.
            let _ = acknowledged.send(());
        }
    }

    /// Polls to the end, again and again. Gives every id in the order seen.
    fn poll(&self, actor: &Actor, walk: Walk) -> Vec<String> {
        let (mut seen, mut rounds) = (Vec::new(), 0);
        let mut after = "1970-01-01T00:00:00Z".to_owned();
        let mut newest = String::new();
        loop {
            let last_round = !self.polling.load(Ordering::Relaxed);
            let mut path = format!("{OBJECTS}?limit=60&added_after={after}");
            let mut found = 0;
            loop {
                let page = self.ask(actor, "GET", &path, None);
                let (first, last) = page.dates();
                let ids = page.ids();
                assert!(ids.is_empty() || first > newest, "{first} does not rise above {newest}");
                if !ids.is_empty() {
                    self.pages.lock().unwrap().push((first, last.clone(), ids.len()));
                }
                found += ids.len();
                seen.extend(ids);
                newest = newest.max(last.clone());
                after = last;
                match page.next().filter(|_| walk != Walk::Header) {
                    Some(next) => path = format!("{OBJECTS}?limit=60&next={next}"),
                    None => break,
                }
            }
            if walk == Walk::Milliseconds && found > 0 {
                after = format!("{}Z", &after[..23]);
            }
            if last_round && found == 0 {
                assert!(rounds > KILLS, "{walk:?} came to the end only {rounds} times: it shows too little");
                return seen;
            }
            rounds += usize::from(found > 0);
        }
    }
}

type Page = (String, String, usize);

fn level(n: usize) -> Level {
    [Level::Green, Level::Amber, Level::Clear][n % 3]
}

/// How a poller goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// By `next` while there is more, then by the header.
    Next,
    /// By the header alone.
    Header,
    /// By `next`, then by the header cut to milliseconds.
    Milliseconds,
}

/// Rows: ADD-9, ADD-10, SORT-3, SORT-4, PAG-4, PAG-5.
#[test]
fn nothing_acknowledged_is_lost_and_no_poller_misses_or_doubles_an_entry() {
    let installation = Installation::furnished();
    installation.run(&["org", "add", "green", "--title", "Reads up to GREEN"]);
    installation.run(&["cert", "issue", "green", "--out", installation.path("certs").to_str().unwrap()]);
    installation.run(&["grant", "green", "all", "--read", "green"]);
    let mut server = installation.serve();
    let scene = Scene {
        writer: installation.actor("org", server.address),
        address: RwLock::new(server.address),
        writing: AtomicBool::new(true),
        polling: AtomicBool::new(true),
        next_id: AtomicUsize::new(1),
        kept: Mutex::default(),
        statuses: Mutex::default(),
        pages: Mutex::default(),
    };
    let (org, green) = (installation.actor("org", server.address), installation.actor("green", server.address));
    let up_to_green = |id: &&String| level(number(id)) <= Level::Green;
    // The green one sees two thirds, and hidden neighbours in between.
    let pollers = [(&org, Walk::Next), (&org, Walk::Header), (&org, Walk::Milliseconds)];
    let pollers = [&pollers[..], &[(&green, Walk::Header), (&green, Walk::Milliseconds)]].concat();
    let (acknowledge, acknowledged) = channel();
    let seen: Vec<Vec<String>> = thread::scope(|scope| {
        let scene = &scene;
        let writers: Vec<_> =
            (0..WRITERS).map(|_| acknowledge.clone()).map(|tell| scope.spawn(move || scene.write(&tell))).collect();
        let pollers: Vec<_> =
            pollers.iter().map(|&(actor, walk)| scope.spawn(move || scene.poll(actor, walk))).collect();
        for kill in 0..KILLS {
            // At some moment in the middle of the work.
            (0..3 + kill % 11).for_each(|_| acknowledged.recv().unwrap());
            server.kill();
            server = installation.serve();
            *scene.address.write().unwrap() = server.address;
        }
        scene.writing.store(false, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        scene.polling.store(false, Ordering::Relaxed);
        pollers.into_iter().map(|poller| poller.join().unwrap()).collect()
    });
    let Scene { kept, statuses, pages, .. } = scene;
    every_one_has_its_entry(&installation, &statuses.into_inner().unwrap(), &pages.into_inner().unwrap());
    let kept = kept.into_inner().unwrap();
    let mine: HashSet<&String> = kept.iter().collect();
    let theirs: HashSet<&String> = kept.iter().filter(up_to_green).collect();
    for ((_, walk), (seen, expected)) in pollers.iter().zip(seen.iter().zip([&mine, &mine, &mine, &theirs, &theirs])) {
        let found: HashSet<&String> = seen.iter().collect();
        assert_eq!(found.len(), seen.len(), "{walk:?} saw an entry twice");
        assert!(expected.is_subset(&found), "{walk:?} missed some of what was acknowledged");
    }
    assert!(seen[1] == seen[0] && seen[2] == seen[0] && seen[4] == seen[3], "all walks see the same, in one order");
    let in_order: Vec<&String> = seen[0].iter().filter(up_to_green).collect();
    assert!(in_order.into_iter().eq(&seen[3]), "who sees less sees it in the same order");
    assert_eq!(installation.run(&["check"]), "all is well");
}

/// LOG-3: what was acknowledged is in the trail once, and each page that came at least once: a
/// server may have been killed after it wrote the entry and before it sent the page.
fn every_one_has_its_entry(installation: &Installation, statuses: &[String], pages: &[Page]) {
    let trail = Trail::in_folder(&installation.path("data"));
    let added: Vec<String> =
        trail.all("add").iter().map(|entry| entry["status"].as_str().unwrap().to_owned()).collect();
    let once: HashSet<&String> = added.iter().collect();
    assert_eq!(once.len(), added.len());
    assert!(statuses.iter().all(|status| once.contains(status)), "a push without an entry");
    let mut read: HashMap<Page, usize> = HashMap::new();
    for entry in trail.all("read") {
        let given = stamps(&entry);
        if let (Some(first), Some(last)) = (given.first(), given.last()) {
            *read.entry((first.to_string(), last.to_string(), given.len())).or_default() += 1;
        }
    }
    for page in pages {
        let left = read.get_mut(page).unwrap_or_else(|| panic!("a page without an entry: {page:?}"));
        *left = left.checked_sub(1).unwrap_or_else(|| panic!("more pages than entries: {page:?}"));
    }
    // One more than these for each poller and kill, at most.
    let more: usize = read.values().sum();
    assert!(more <= 5 * KILLS, "{more} entries of pages that nobody got");
    let said = installation.run(&["audit", "verify"]);
    assert!(said.starts_with("sound: "), "{said}");
}

/// Which object an id is of: see `objects::id`.
fn number(id: &str) -> usize {
    id[id.len() - 12..].parse().unwrap()
}
