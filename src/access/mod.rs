//! Who is asking, and what they may: [`organisation`], [`credential`], [`permission`],
//! [`level`], [`terms`]; [`identify`], the one place that says whose a proof is, and [`decide`], the
//! one place that says yes or no. [`proof`] holds one file for each way to prove an identity.
//!
//! Decisions are pure: records in, a decision out. Nothing here reads a store, opens
//! a file or knows a status code.

pub mod credential;
pub mod decide;
pub mod identify;
pub mod level;
pub mod organisation;
pub mod permission;
pub mod proof;
pub mod terms;
