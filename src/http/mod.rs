//! The TAXII door: HTTP/1.1 over mutual TLS.
//!
//! A request's way: [`accept`] ([`tls`]: whose key is it) → [`stream`] (deadlines, [`portions`]) → [`peer`] (does
//! the chain still hold, who is it, and within what limits: [`throttle`]) → [`routes`] (the whole
//! URL table on one screen) → one file per TAXII noun, a few lines each (typed values in, one call
//! on a capability, an answer out) → [`answer`] or [`error`], the one place where an error becomes a
//! status code. [`coding`] negotiates what an answer looks like, [`waiting`] (asked for by [`prefer`]) is for who
//! asks what is new before there is anything. [`fallback`] is the listener for who has no certificate; [`ops`] is
//! the operator's own door; [`client`] is the other side, for the one command that asks a server.
//!
//! No handler names the store, and none decides what a caller may do.

mod accept;
mod addresses;
mod answer;
mod api_root;
mod body;
pub mod client;
mod coding;
mod collections;
mod discovery;
mod error;
pub mod fallback;
mod hold;
pub mod limits;
mod manifest;
pub mod metrics;
mod object;
mod objects;
mod ops;
mod patience;
mod peer;
mod portions;
mod prefer;
mod routes;
pub mod server;
mod status;
mod stream;
mod throttle;
pub mod tls;
mod versions;
mod waiting;
mod watch;
mod whoami;

use crate::clock::stopwatch;
use crate::exchange::{Coding, Exchange, Found, Prepared, Session};
use crate::taxii::filter::{Endpoint, Query, dry_run};
use crate::taxii::media_type::{self, Content};
use actix_http::RequestHead;
use actix_http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, IF_NONE_MATCH};
use answer::Answer;
use coding::{Has, Liked};
use error::Problem;
use limits::Limits;
use metrics::Metrics;
use peer::Peer;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use throttle::{Failures, Octets, Reached, Throttle};
use tls::Tls;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use waiting::Waiters;

/// What every handler works with. One for each server, shared by its workers.
#[derive(Debug)]
pub struct Door {
    exchange: Arc<Exchange>,
    limits: Limits,
    metrics: Arc<Metrics>,
    bodies: body::Budget,
    tls: Arc<Tls>,
    throttle: Arc<Throttle>,
    /// Places for large pages that are compressed.
    compressing: Arc<Semaphore>,
    waiters: Arc<Waiters>,
    /// Who fails to sign in on the fallback listener.
    failures: Failures,
    /// The header that may carry a secret there.
    secret_header: Option<HeaderName>,
}

impl Door {
    /// Counts that a limit was reached, and says so.
    fn reached(&self, reached: &Reached) -> Problem {
        self.metrics.throttled(reached.limit);
        Problem::limit_reached(reached)
    }
}

/// The longest query string that is read, in octets: with its path, shorter than
/// [`portions::LONGEST_HEAD`], so that a caller is told what is too long.
const LONGEST_QUERY: usize = 64_000;

/// A request of a signed-in caller, before its particulars are looked at. The methods are
/// called in the order in which a request that is wrong in several ways is told of them:
/// 404 and 403 (the session), 406, 415, then 400.
struct Asked<'r> {
    door: &'r Door,
    peer: &'r Peer,
    session: Session,
    head: &'r RequestHead,
    /// How long its answer waited for something new.
    waited: Cell<Duration>,
}

impl<'r> Asked<'r> {
    fn new(door: &'r Door, peer: &'r Peer, session: Session, head: &'r RequestHead) -> Self {
        Self { door, peer, session, head, waited: Cell::default() }
    }

    /// The same caller, if it still is let in, seen against the registry of now.
    fn renewed(&self) -> Result<Session, Problem> {
        self.peer.sign_in_again(self.door)
    }

    /// Counts objects that came in or went out.
    fn count_objects(&self, objects: usize) {
        self.counting()(objects);
    }

    /// The same, for work that goes on when the caller has gone away.
    fn counting(&self) -> impl Fn(usize) + Send + use<> {
        let (throttle, who) = (Arc::clone(&self.door.throttle), self.session.credential().key);
        move |objects| throttle.objects(who, objects, stopwatch())
    }

    /// The largest body with objects, in octets.
    fn max_content_length(&self) -> u64 {
        self.door.exchange.settings().max_content_length
    }

    /// 406 unless the caller takes TAXII 2.1.
    fn accept(&self) -> Result<(), Problem> {
        if media_type::accepts(self.lines(&ACCEPT)) { Ok(()) } else { Err(Problem::not_acceptable()) }
    }

    /// Whether the body has a media type that is taken although the standard has another.
    fn is_foreign(&self) -> bool {
        self.lines(&CONTENT_TYPE).any(|line| media_type::content(line) == Content::Stix)
    }

    /// 415 unless the body is of a type that is taken, and not encoded.
    fn content(&self) -> Result<(), Problem> {
        let encoded = self.lines(&CONTENT_ENCODING).any(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
        let mut types = self.lines(&CONTENT_TYPE);
        let taken = match (types.next().map_or(Content::Other, media_type::content), types.next()) {
            (Content::Taxii, None) => true,
            (Content::Stix, None) => self.door.exchange.settings().accept_bundles,
            _ => false,
        };
        if taken && !encoded { Ok(()) } else { Err(Problem::unsupported_media_type()) }
    }

    /// 400 unless the query is well-formed for the endpoint.
    fn query(&self, endpoint: Endpoint) -> Result<Query, Problem> {
        Query::parse(self.raw_query()?, endpoint).map_err(Problem::from)
    }

    /// Whether objects are to be judged and not added; 400 if that cannot be told.
    fn dry_run(&self) -> Result<bool, Problem> {
        dry_run(self.raw_query()?).map_err(Problem::from)
    }

    /// A page in the form that the caller likes, unless it has it already.
    async fn page(&self, page: Prepared) -> Result<Answer, Problem> {
        let Liked { coding, nothing_else } = coding::liked(self.lines(&ACCEPT_ENCODING));
        let coding = page.coding(coding, nothing_else);
        let about = page.about(coding);
        match coding::has(self.lines(&IF_NONE_MATCH), &about.tag) {
            Has::It => {
                page.not_modified();
                return Ok(Answer::not_modified(about));
            }
            Has::Any => return Ok(Answer::not_modified(self.recorded(page.exists(coding)).await?)),
            Has::Another => {}
        }
        // It is here already, though it may not go out yet, and may go out in another form.
        let mut room = self.room(page.octets(Coding::Identity))?;
        let page = self.make(page, coding).await?;
        room.change_to(page.octets(coding));
        let shown = self.recorded(page.give(coding)).await?;
        Ok(Answer::page(shown, room))
    }

    /// Makes a form of a page: one that takes long, on a thread that nobody waits for. Where as many are made as
    /// there are processors, the page goes out as it is.
    async fn make(&self, page: Prepared, coding: Coding) -> Result<Prepared, Problem> {
        if !page.takes_long(coding) {
            page.make(coding);
            return Ok(page);
        }
        let Ok(place) = Arc::clone(&self.door.compressing).try_acquire_owned() else { return Ok(page) };
        let make = move || {
            page.make(coding);
            drop(place);
            page
        };
        server::blocking(make).await
    }

    /// What was found, once the audit trail has on disk who gets what of it; 503 if that takes too long.
    async fn recorded<T>(&self, found: Found<T>) -> Result<T, Problem> {
        let recorded = timeout(self.door.limits.writer(), found.recorded()).await;
        Ok(recorded.map_err(|_| Problem::not_recorded())??)
    }

    /// Room for so many octets of an answer, among those of the caller that are on their way.
    fn room(&self, octets: usize) -> Result<Octets, Problem> {
        let mut room = self.door.throttle.octets(self.session.credential().key);
        room.take(octets).map_err(|reached| self.door.reached(&reached))?;
        Ok(room)
    }

    fn raw_query(&self) -> Result<&str, Problem> {
        let raw = self.head.uri.query().unwrap_or_default();
        if raw.len() > LONGEST_QUERY { Err(Problem::uri_too_long(LONGEST_QUERY)) } else { Ok(raw) }
    }

    /// The values of a header, line by line. What is not ASCII text is a value that names nothing.
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.head.headers.get_all(name).map(|value| value.to_str().unwrap_or("?"))
    }
}
