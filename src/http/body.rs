//! Reading a request body: whole, within its size, within its time; and no more of it than that.

use super::error::Problem;
use super::throttle::Octets;
use super::{Asked, Door};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_http::{Payload, RequestHead, Response};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::time::{Instant, timeout_at};

/// Memory set aside for a body before any of it has come: what a header declares is only a claim.
const FIRST_ALLOCATION: usize = 64 << 10;

/// The whole body, if what it declares [`fits`]. 413 as soon as it exceeds `most` octets,
/// declared or not; 408 when it comes too slowly.
pub(super) async fn read(asked: &Asked<'_>, payload: &mut Payload, most: u64) -> Result<Body, Problem> {
    let Asked { door, head, session, peer, .. } = asked;
    let declared = declared_length(head);
    let expected = declared.and_then(|declared| usize::try_from(declared).ok()).unwrap_or(FIRST_ALLOCATION);
    let mut body = BytesMut::with_capacity(expected.min(FIRST_ALLOCATION));
    let mut share = door.bodies.share(door.throttle.octets(session.credential().key));
    let begun = Instant::now();
    loop {
        let (from_beginning, from_now) = door.limits.body(body.len());
        let deadline = (begun + from_beginning).min(Instant::now() + from_now);
        let next = timeout_at(deadline, poll_fn(|cx| Pin::new(&mut *payload).poll_next(cx))).await;
        match next.map_err(|_| Problem::body_too_slow())? {
            None => {
                peer.body_came();
                return Ok(Body { octets: body.freeze(), share });
            }
            Some(Err(error)) => return Err(Problem::body_broken(&error.to_string())),
            Some(Ok(chunk)) if (body.len() + chunk.len()) as u64 > most => return Err(Problem::body_too_large(most)),
            Some(Ok(chunk)) => {
                share.grow(door, chunk.len())?;
                body.extend_from_slice(&chunk);
            }
        }
    }
}

/// 413 if the body says that it has more than `most` octets.
pub(super) fn fits(asked: &Asked<'_>, most: u64) -> Result<(), Problem> {
    match declared_length(asked.head) {
        Some(declared) if declared > most => Err(Problem::body_too_large(most)),
        _ => Ok(()),
    }
}

/// A whole body. Counts against the server's memory until it is dropped.
pub(super) struct Body {
    pub(super) octets: Bytes,
    share: Share,
}

impl Body {
    /// Counts what will be known and said of the objects in it, too: small ones take more than their text.
    pub(super) fn count_objects(&mut self, door: &Door) -> Result<(), Problem> {
        /// What there is of an object beside its text, in octets, more or less.
        const OBJECT: usize = 512;
        // No more than begin in it after the envelope.
        let begun = memchr::memchr_iter(b'{', &self.octets).count().saturating_sub(1);
        let objects = begun.min(door.exchange.settings().max_objects);
        self.share.count(door, OBJECT * objects)
    }
}

/// The memory that all request bodies may take together.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// One body's part of it.
struct Share {
    most: usize,
    all: Arc<AtomicUsize>,
    own: usize,
    /// The same octets, as its credential's.
    credential: Octets,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    fn share(&self, credential: Octets) -> Share {
        Share { most: self.most, all: Arc::clone(&self.taken), own: 0, credential }
    }
}

impl Share {
    /// Takes so many octets more, if there are so many.
    fn grow(&mut self, door: &Door, octets: usize) -> Result<(), Problem> {
        let before = self.all.fetch_add(octets, Ordering::Relaxed);
        self.own += octets;
        if before + octets > self.most {
            return Err(Problem::too_many_bodies());
        }
        self.count(door, octets)
    }

    /// Counts so many octets more as the credential's.
    fn count(&mut self, door: &Door, octets: usize) -> Result<(), Problem> {
        let grown = self.credential.grow(octets);
        grown.map_err(|reached| Problem { close: true, ..door.reached(&reached) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// What a `Content-Length` header says.
pub(super) fn declared_length(head: &RequestHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a body comes.
pub(super) fn is_declared(head: &RequestHead) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING) || declared_length(head).is_some_and(|length| length > 0)
}

/// Holds on to what is left of a payload until the response is out. The framework would
/// otherwise go on reading a chunked one for as long as it comes; if somebody holds it, the
/// framework ends the connection within its deadline.
pub(super) fn hold(response: Response<BoxBody>, payload: Payload) -> Response<BoxBody> {
    match payload {
        Payload::None => response,
        payload => response.map_body(|_, body| BoxBody::new(Holding { body, _payload: payload })),
    }
}

struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
