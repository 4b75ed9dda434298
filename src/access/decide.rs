//! The one place that says yes or no to work on a collection.
//!
//! The answers follow the permission tables of TAXII 2.1 §5.3–§5.8: what a caller may not
//! know of is absent, what it knows of but may not do is forbidden.

use super::level::Level;
use super::organisation::OrganisationKey;
use super::permission::Grant;

/// A no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// The caller may not know whether it exists.
    Absent,
    /// The caller knows that it exists, and lacks the right.
    Forbidden,
}

/// Whether the caller may know that the collection exists.
pub fn know(grant: Option<&Grant>) -> Result<&Grant, No> {
    grant.ok_or(No::Absent)
}

/// Whether the caller may read, and up to which level.
pub fn read(grant: Option<&Grant>) -> Result<Level, No> {
    know(grant)?.read.ok_or(No::Forbidden)
}

/// Whether the caller may add objects.
pub fn write(grant: Option<&Grant>) -> Result<&Grant, No> {
    know(grant).and_then(|grant| if grant.can_write() { Ok(grant) } else { Err(No::Forbidden) })
}

/// Whether the caller may delete objects at all: it must be able to read and to write. A
/// caller with neither right is told that nothing is there (TAXII 2.1 §5.7).
pub fn delete(grant: Option<&Grant>) -> Result<Level, No> {
    let grant = know(grant)?;
    match (grant.read, grant.can_write()) {
        (Some(level), true) => Ok(level),
        (None, false) => Err(No::Absent),
        _ => Err(No::Forbidden),
    }
}

/// Whether the caller may manage: hold what the collection has, and let it go.
pub fn manage(grant: Option<&Grant>) -> Result<&Grant, No> {
    know(grant).and_then(|grant| if grant.manage { Ok(grant) } else { Err(No::Forbidden) })
}

/// Whether the caller may read the status of a request: its submitter, and who manages the collection.
pub fn status(grant: Option<&Grant>, caller: OrganisationKey, submitter: OrganisationKey) -> Result<(), No> {
    let manages = grant.is_some_and(|grant| grant.manage);
    if caller == submitter || manages { Ok(()) } else { Err(No::Absent) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::permission::CollectionKey;

    fn grant(read: Option<Level>, write: bool) -> Grant {
        Grant {
            organisation: OrganisationKey(1),
            collection: CollectionKey(1),
            read,
            write,
            manage: false,
            relay: false,
        }
    }

    #[test]
    fn the_permission_table_of_the_standard() {
        let (neither, reader) = (grant(None, false), grant(Some(Level::Green), false));
        let (writer, both) = (grant(None, true), grant(Some(Level::Green), true));
        let table = [
            (None, Err(No::Absent), Err(No::Absent), Err(No::Absent)),
            (Some(&neither), Err(No::Forbidden), Err(No::Forbidden), Err(No::Absent)),
            (Some(&reader), Ok(Level::Green), Err(No::Forbidden), Err(No::Forbidden)),
            (Some(&writer), Err(No::Forbidden), Ok(&writer), Err(No::Forbidden)),
            (Some(&both), Ok(Level::Green), Ok(&both), Ok(Level::Green)),
        ];
        for (grant, may_read, may_write, may_delete) in table {
            assert_eq!(read(grant), may_read);
            assert_eq!(write(grant), may_write);
            assert_eq!(delete(grant), may_delete);
        }
    }

    #[test]
    fn managing_includes_writing() {
        let manager = Grant { manage: true, ..grant(Some(Level::Red), false) };
        assert_eq!(write(Some(&manager)), Ok(&manager));
        assert_eq!(delete(Some(&manager)), Ok(Level::Red));
        assert_eq!(manage(Some(&manager)), Ok(&manager));
        assert_eq!(manage(Some(&grant(Some(Level::Red), true))), Err(No::Forbidden));
        assert_eq!(manage(None), Err(No::Absent));
    }
}
