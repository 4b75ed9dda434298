//! Black-box tests: HTTPS with client certificates to a real server on port 0.
//!
//! One file for each of TAXII's nouns; the actors are HTTP clients ([`support::actor`]).
//! A test says in its comment which rows of the checklist it shows (`Rows: …`), and
//! `tests/checklist.rs` makes the table of them.

#![expect(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test fails by panicking, and has no users")]

mod support;

mod access;
mod add;
mod api_root;
mod audit;
mod bodies;
mod cached;
mod collections;
mod commands;
mod delete;
mod discovery;
mod errors;
mod evidence;
mod fallback;
mod filters;
mod forged;
mod heads;
mod holds;
mod hostile;
mod imports;
mod judgement;
mod kept_from;
mod killed;
mod large;
mod limits;
mod log;
mod manifest;
mod markings;
mod model;
mod names;
mod negotiation;
mod object;
mod objects;
mod operators;
mod ops;
mod order;
mod originators;
mod paging;
mod paths;
mod rights;
mod shares;
mod status;
mod text;
mod tls;
mod twin_worlds;
mod validate;
mod versions;
mod waiting;
mod whoami;
