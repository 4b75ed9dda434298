//! Answers: a resource, a page, an acceptance, nothing; and the headers that all have.

use super::error::{Challenge, Problem};
use super::throttle::Octets;
use crate::exchange::{About, Coding, Shown};
use crate::taxii::media_type::TAXII;
use actix_http::body::{BoxBody, None as NoBody};
use actix_http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use actix_http::{Response, ResponseBuilder, StatusCode};
use bytes::Bytes;
use serde::Serialize;

const DATE_ADDED_FIRST: HeaderName = HeaderName::from_static("x-taxii-date-added-first");
const DATE_ADDED_LAST: HeaderName = HeaderName::from_static("x-taxii-date-added-last");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What answers depend on, beside the URL.
pub(super) const VARY_BY: &str = "Accept, Accept-Encoding, Authorization";
/// The same, where a caller may wait.
const VARY_BY_PREFERENCE: &str = "Accept, Accept-Encoding, Authorization, Prefer";

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
    about: Option<About>,
    coding: Coding,
    vary: &'static str,
    /// For how many seconds the caller would wait, if that counted.
    wait: Option<u64>,
    /// How many items of the collection are in it, for the log.
    pub(super) items: usize,
    /// Its octets, counted as its caller's until they are on their way.
    pub(super) octets: Option<Octets>,
}

impl Answer {
    /// 200 with a resource.
    pub(super) fn resource(resource: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(resource).map_err(|error| Problem::internal(&error.to_string()))?;
        Ok(Self::text(StatusCode::OK, body))
    }

    /// 200 with a resource that is JSON already.
    pub(super) fn ready(body: Vec<u8>) -> Self {
        Self::text(StatusCode::OK, body)
    }

    /// 202 with a status resource (TAXII 2.1 §5.5).
    pub(super) fn accepted(status: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { status: StatusCode::ACCEPTED, ..Self::resource(status)? })
    }

    /// 200 with a page and what its headers say (TAXII 2.1 §3.2), with the room that it has.
    pub(super) fn page(shown: Shown, room: Octets) -> Self {
        let Shown { body, coding, items, about } = shown;
        let (about, octets) = (Some(about), Some(room));
        Self { body, about, coding, items, octets, ..Self::text(StatusCode::OK, Vec::new()) }
    }

    /// The same answer, of a resource for which callers may wait: this one would for so many seconds, if that
    /// counted (RFC 7240 §2, §3).
    pub(super) fn preferred(self, wait: Option<u64>) -> Self {
        Self { vary: VARY_BY_PREFERENCE, wait, ..self }
    }

    /// 304, with the headers that the page would have (RFC 9110 §15.4.5).
    pub(super) fn not_modified(about: About) -> Self {
        Self { about: Some(about), ..Self::text(StatusCode::NOT_MODIFIED, Vec::new()) }
    }

    /// 200 without a body (TAXII 2.1 §5.7).
    pub(super) fn deleted() -> Self {
        Self::text(StatusCode::OK, Vec::new())
    }

    fn text(status: StatusCode, body: Vec<u8>) -> Self {
        let (about, coding) = (None, Coding::Identity);
        let (vary, wait) = (VARY_BY, None);
        Self { status, body: Bytes::from(body), about, coding, vary, wait, items: 0, octets: None }
    }

    /// How many octets its body has.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    pub(super) fn into_response(self) -> Response<BoxBody> {
        let mut response = begin(self.status, self.vary);
        if let Some(seconds) = self.wait {
            response.insert_header((PREFERENCE_APPLIED, format!("wait={seconds}")));
        }
        if let Some(About { dates: (first, last), tag }) = self.about {
            response.insert_header((DATE_ADDED_FIRST, first.to_string()));
            response.insert_header((DATE_ADDED_LAST, last.to_string()));
            response.insert_header((ETAG, tag));
        }
        match self.coding {
            Coding::Identity => {}
            Coding::Gzip => drop(response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")))),
            Coding::Zstd => drop(response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("zstd")))),
        }
        if self.status == StatusCode::NOT_MODIFIED {
            let mut response = response.finish().set_body(NoBody::new());
            response.headers_mut().remove(CONTENT_TYPE);
            return response.map_into_boxed_body();
        }
        response.body(self.body).map_into_boxed_body()
    }
}

impl Problem {
    pub(super) fn into_response(self) -> Response<BoxBody> {
        let mut response = begin(self.status, VARY_BY);
        if let Some(methods) = self.allow {
            response.insert_header((ALLOW, methods));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        for challenge in self.challenge.into_iter().flat_map(Challenge::values) {
            response.append_header((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        }
        if self.close {
            response.force_close();
        }
        response.body(self.body).map_into_boxed_body()
    }
}

/// The headers of every response. Bodies depend on who asks: nobody may keep them for another.
fn begin(status: StatusCode, vary: &'static str) -> ResponseBuilder {
    let mut response = ResponseBuilder::new(status);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(TAXII)));
    response.insert_header((VARY, HeaderValue::from_static(vary)));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response
}
