//! Reading a request body: whole, within its size, within its time; and no more of it than that.

use super::Door;
use super::error::Problem;
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::CONTENT_LENGTH;
use actix_http::{Payload, RequestHead, Response};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, timeout_at};

/// Memory set aside for a body before any of it has come: what a header declares is only a claim.
const FIRST_ALLOCATION: usize = 64 << 10;

/// The whole body. 413 as soon as it is known to exceed `max_content_length`, declared or
/// not; 408 when it comes too slowly.
pub(super) async fn read(door: &Door, head: &RequestHead, payload: &mut Payload) -> Result<Bytes, Problem> {
    let most = door.exchange.settings().max_content_length;
    let declared = declared_length(head);
    if declared.is_some_and(|declared| declared > most) {
        return Err(Problem::body_too_large(most));
    }
    let expected = declared.and_then(|declared| usize::try_from(declared).ok()).unwrap_or(FIRST_ALLOCATION);
    let mut body = BytesMut::with_capacity(expected.min(FIRST_ALLOCATION));
    let begun = Instant::now();
    loop {
        let (from_beginning, from_now) = door.limits.body(body.len());
        let deadline = (begun + from_beginning).min(Instant::now() + from_now);
        let next = timeout_at(deadline, poll_fn(|cx| Pin::new(&mut *payload).poll_next(cx))).await;
        match next.map_err(|_| Problem::body_too_slow())? {
            None => return Ok(body.freeze()),
            Some(Err(error)) => return Err(Problem::body_broken(&error.to_string())),
            Some(Ok(chunk)) if (body.len() + chunk.len()) as u64 > most => return Err(Problem::body_too_large(most)),
            Some(Ok(chunk)) => body.extend_from_slice(&chunk),
        }
    }
}

/// What a `Content-Length` header says.
pub(super) fn declared_length(head: &RequestHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
