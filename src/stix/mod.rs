//! What STIX says: the facts that a server needs of an object, and nothing of how
//! they travel. [`json`] reads an object's text strictly, [`head`] takes from it the
//! id, the version, the specification version and the markings, [`marking`] knows
//! the predefined ones, [`pattern`] reads what indicators look for. [`judge`] says what is wrong
//! with an object, by its [`schema`] and by the [`rules`], as [`finding`]s under a profile.
//!
//! Nothing here performs I/O, knows TAXII, or knows who is asking. Nothing here
//! changes an object: the text that came in is the text that goes out.

pub mod finding;
pub mod head;
pub mod id;
pub mod json;
pub mod judge;
pub mod marking;
pub mod network;
pub mod pattern;
pub mod rules;
pub mod schema;
pub mod sharing;
pub mod timestamp;
