//! Entente: a TAXII 2.1 server with which allied governments' CERTs and firms exchange
//! STIX 2.1 objects over mutual TLS.
//!
//! # The map
//!
//! Facts → store → exchange → doors. A room names only the rooms before it; the table in
//! `tests/architecture.rs` says which, and holds the code to it.
//!
//! | room | what lives there |
//! |---|---|
//! | [`clock`] | the only place that asks the time |
//! | [`stix`] | what STIX says: ids, timestamps, strict JSON, the head of an object, markings, patterns; and the judge, with its schemas and rules |
//! | [`taxii`] | what TAXII says: resources, filters, pages, media types |
//! | [`access`] | who is asking, and what they may |
//! | [`audit`] | what an audit entry says, and its chain |
//! | [`store`] | the ordered store: the port, the tests every engine owes, the engines |
//! | [`exchange`] | everything the server does, once: sessions and capabilities |
//! | [`http`] | the TAXII door over mutual TLS, and the operator's own |
//! | [`config`] | settings: file, environment, flags |
//! | [`cli`] | one file for each command; `serve` puts everything together |
//!
//! # Three walks
//!
//! *A poll.* [`http::tls`] proves whose key it is. `http/server` signs the caller in
//! ([`exchange::Exchange::sign_in`]) and `http/routes` finds `http/objects`, which asks the
//! session for a [`exchange::Reading`]: [`access::decide`] says yes, and up to which level.
//! The query becomes values ([`taxii::filter`]), the store scans one index in the order of
//! `date_added` over exactly the caller's world, and the texts are joined into one page. It is kept
//! (`exchange/pages`) for the same caller's same question, until the collection has another edition
//! ([`store::Edition`]), for which who would wait for something new waits (`http/waiting`). It leaves once the
//! audit trail has on disk who gets it.
//!
//! *A push.* The same way to a [`exchange::Writing`]. The envelope is cut into its objects
//! ([`taxii::objects`]), each is read strictly ([`stix::json`]) for the facts the server
//! needs ([`stix::head`]), and judged by schema and rule under the collection's profile
//! ([`stix::judge`]). The store's one writer decides ([`store::admission`]), stamps
//! ([`store::order`]), and commits objects, status and audit entry together; then 202.
//!
//! *A command.* [`cli`] opens the same store and makes its change through
//! [`exchange::Administering`]. A running server sees the registry's new generation on the
//! next request.
//!
//! # What is not here
//!
//! No code changes an object, and none fetches what an object points to.

pub mod access;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod exchange;
pub mod http;
pub mod stix;
pub mod store;
pub mod taxii;
