//! The one place where an error becomes a status code and an error message resource
//! (TAXII 2.1 §3.6).

use super::throttle::Reached;
use crate::exchange::{Error, NotSignedIn, StoreError, Whose};
use crate::taxii::error::Error as Resource;
use crate::taxii::filter::Malformed;
use crate::taxii::media_type::TAXII;
use crate::taxii::objects::BodyError;
use actix_http::StatusCode;

/// A bad answer.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// The error message resource.
    pub(super) body: Vec<u8>,
    /// Names this one occurrence in the log.
    pub(super) error_id: String,
    /// What was wrong, as the log tells it: more than the caller may be told.
    pub(super) cause: Option<Box<str>>,
    /// Why the caller is refused, in a word for log and audit trail, if it is.
    pub(super) reason: Option<&'static str>,
    /// Whose credential it is that does not let in, if that is known: for the audit trail only.
    pub(super) whose: Option<Box<Whose>>,
    /// The methods that there are.
    pub(super) allow: Option<&'static str>,
    /// Seconds after which it may be tried again.
    pub(super) retry_after: Option<u32>,
    /// How the caller could prove who it is.
    pub(super) challenge: Option<Challenge>,
    /// Whether the connection can be of no more use.
    pub(super) close: bool,
}

/// The proof that a 401 asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Challenge {
    Certificate,
    Secret,
}

impl Challenge {
    /// Values of `WWW-Authenticate`.
    pub(super) fn values(self) -> &'static [&'static str] {
        match self {
            // RFC 9110 §15.5.2 wants a challenge; no registered scheme names a TLS certificate.
            Self::Certificate => &[r#"TLS-Client-Certificate realm="entente""#],
            Self::Secret => &[r#"Basic realm="entente", charset="UTF-8""#, r#"Bearer realm="entente""#],
        }
    }
}

impl Problem {
    fn new(status: StatusCode, description: &str) -> Self {
        let resource = Resource::new(status.as_u16(), status.canonical_reason().unwrap_or("Error"), description);
        // A struct of strings always has a JSON form.
        let body = serde_json::to_vec(&resource).unwrap_or_default();
        Self {
            status,
            body,
            error_id: resource.error_id,
            cause: None,
            reason: None,
            whose: None,
            allow: None,
            retry_after: None,
            challenge: None,
            close: false,
        }
    }

    /// A problem that lies with the caller: `reason` is a word of ours, whatever it sent.
    fn refusal(status: StatusCode, reason: &'static str, description: &str) -> Self {
        Self { reason: Some(reason), ..Self::new(status, description) }
    }

    pub(super) fn not_acceptable() -> Self {
        Self::refusal(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            &format!("this server answers with {TAXII} only, and the Accept header excludes it"),
        )
    }

    pub(super) fn unsupported_media_type() -> Self {
        let description = format!("send the body as {TAXII}, with no Content-Encoding");
        Self { close: true, ..Self::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", &description) }
    }

    pub(super) fn uri_too_long(most: usize) -> Self {
        Self::refusal(
            StatusCode::URI_TOO_LONG,
            "query_too_long",
            &format!("the query string has more than {most} octets: ask for fewer values at once"),
        )
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let description = format!("this endpoint has the methods {allow}");
        let problem = Self::refusal(StatusCode::METHOD_NOT_ALLOWED, "method", &description);
        Self { allow: Some(allow), close: true, ..problem }
    }

    pub(super) fn body_too_large(most: u64) -> Self {
        let description =
            format!("the body exceeds max_content_length, which is {most} octets here: send less at once");
        Self { close: true, ..Self::refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &description) }
    }

    pub(super) fn too_many_bodies() -> Self {
        Self {
            close: true,
            reason: Some("body_octets"),
            ..Self::unavailable("the request bodies in memory are as many octets as limits.body_octets")
        }
    }

    pub(super) fn body_too_slow() -> Self {
        let description = "the body came too slowly, or stopped: nothing was added";
        Self { close: true, ..Self::refusal(StatusCode::REQUEST_TIMEOUT, "too_slow", description) }
    }

    pub(super) fn body_broken(reason: &str) -> Self {
        let description = format!("the body could not be read: {reason}");
        Self { close: true, ..Self::refusal(StatusCode::BAD_REQUEST, "body", &description) }
    }

    /// 401 for a chain that held when the connection was made.
    pub(super) fn not_trusted(error: &rustls::Error) -> Self {
        let description = format!("the certificate's chain holds no longer ({error}): use another certificate");
        Self::no_certificate("not_trusted", &description)
    }

    /// 401 where a certificate is the proof.
    fn no_certificate(reason: &'static str, description: &str) -> Self {
        let problem = Self::refusal(StatusCode::UNAUTHORIZED, reason, description);
        Self { challenge: Some(Challenge::Certificate), close: true, ..problem }
    }

    /// 404. In all that a caller can see, the same for what is not there and for what it may not see.
    pub(super) fn absent() -> Self {
        Self::refusal(StatusCode::NOT_FOUND, "absent", &Error::Absent.to_string())
    }

    /// 401 on the fallback listener: the same words for every reason.
    pub(super) fn no_credentials(reason: &'static str) -> Self {
        let description = NotSignedIn::Secret(reason, None).to_string();
        let problem = Self::refusal(StatusCode::UNAUTHORIZED, reason, &description);
        // Who guesses, or only asks, is bounded by how many handshakes an address has.
        Self { challenge: Some(Challenge::Secret), close: true, ..problem }
    }

    pub(super) fn limit_reached(reached: &Reached) -> Self {
        let Reached { limit, allowed, status, retry_after } = reached;
        let description = format!("no more than {allowed} ({limit}): try again in {retry_after} s");
        Self { retry_after: Some(*retry_after), ..Self::refusal(*status, limit, &description) }
    }

    pub(super) fn head_too_large(octets: usize) -> Self {
        let description = format!("the request's header fields have more than {octets} octets");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self { close: true, ..Self::refusal(status, "head_too_large", &description) }
    }

    /// 417: the endpoint takes no body, so none is asked for.
    pub(super) fn no_body_wanted() -> Self {
        let description = "this request has no use for a body: send it without one";
        Self { close: true, ..Self::refusal(StatusCode::EXPECTATION_FAILED, "body_unwanted", description) }
    }

    pub(super) fn internal(cause: &str) -> Self {
        let description = "the server failed: its operator finds the cause in the log under the error_id";
        Self { cause: Some(cause.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, description) }
    }

    pub(super) fn not_recorded() -> Self {
        Self::unavailable("the audit trail could not be written in time: nothing was given out")
    }

    fn unavailable(cause: &str) -> Self {
        let description = "the server cannot do this now, and nothing was changed: try again";
        Self {
            cause: Some(cause.into()),
            retry_after: Some(10),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, description)
        }
    }

    /// What the framework refuses before a handler sees it.
    pub(super) fn framework_made(status: StatusCode) -> Self {
        let (reason, description) = match status {
            StatusCode::REQUEST_TIMEOUT => ("too_slow", "the request did not come in time"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
                "head_too_large",
                "the request's head is too large: it may have 73,728 octets, with its URL, and 95 fields",
            ),
            _ => ("not_http", "the request is not well-formed HTTP/1.1"),
        };
        Self::refusal(status, reason, description)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Absent => Self::absent(),
            Error::Forbidden => Self::refusal(StatusCode::FORBIDDEN, "forbidden", &error.to_string()),
            Error::Malformed(malformed) => malformed.into(),
            Error::Body(BodyError::NoEnvelope(_)) => {
                Self::refusal(StatusCode::UNPROCESSABLE_ENTITY, "no_envelope", &error.to_string())
            }
            Error::Body(BodyError::NotJson(_) | BodyError::NotUtf8(_)) => {
                Self::refusal(StatusCode::BAD_REQUEST, "not_json", &error.to_string())
            }
            Error::Store(error) => error.into(),
        }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        // A cursor that is not one of ours was made up, or is another caller's.
        let reason = if malformed.name == "next" { "cursor" } else { "malformed" };
        Self::refusal(StatusCode::BAD_REQUEST, reason, &malformed.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::unavailable(&cause),
            StoreError::Broken(cause) => Self::internal(&cause),
        }
    }
}

impl From<NotSignedIn> for Problem {
    fn from(refusal: NotSignedIn) -> Self {
        let whose = refusal.whose().cloned().map(Box::new);
        let problem = match refusal {
            NotSignedIn::Store(error) => error.into(),
            NotSignedIn::Secret(reason, _) => Self::no_credentials(reason),
            NotSignedIn::Certificate(..) | NotSignedIn::Suspended(_) => {
                Self::no_certificate(refusal.reason(), &refusal.to_string())
            }
        };
        Self { whose, ..problem }
    }
}
