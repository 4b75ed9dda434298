//! What TAXII 2.1 says: one file for each of its resources, and its media types,
//! filters, pages and timestamps.
//!
//! Nothing here performs I/O, knows HTTP's machinery, or knows who is asking: a
//! resource is a value, a filter is a value, a page is bytes.

pub mod api_root;
pub mod collections;
pub mod discovery;
pub mod error;
pub mod filter;
pub mod manifest;
pub mod media_type;
pub mod objects;
pub mod page;
pub mod status;
pub mod timestamp;
