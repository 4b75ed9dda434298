//! STIX patterns (STIX 2.1 §9): what an indicator with `pattern_type` "stix" looks for.
//!
//! [`Pattern::parse`] reads the whole language of §9 strictly and says in one sentence where and
//! why a text is no pattern; [`syntax`] is the tree that it gives; printing the tree gives a
//! pattern with the same meaning; [`check`] finds what is well-formed and yet looks wrong.
//! Where §9 leaves room, the OASIS grammar (`STIXPattern.g4` of 2.1) decides: keywords are upper
//! case, `==` and `<>` are read, comments are white space.
//!
//! Patterns come from strangers. Time and memory are linear in the text, the stack is bounded by
//! [`MAX_DEPTH`], and so is dropping a tree. Nothing here performs I/O, and nothing here runs
//! a pattern: a regular expression behind `MATCHES` is a text.

pub mod check;
mod constant;
mod fault;
mod lexer;
mod objects;
mod parser;
mod print;
pub mod syntax;

pub use fault::Fault;
pub use syntax::Pattern;

/// Parentheses may be nested this deep.
pub const MAX_DEPTH: usize = 64;
