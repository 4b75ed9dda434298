//! What the writer does within its transaction: each piece of work with its audit entries.

use super::hold::due;
use super::registry;
use super::table::Shelf;
use super::trail::Trail;
use crate::access::permission::CollectionKey;
use crate::audit;
use crate::store::admission::Added;
use crate::store::registry::Change;
use crate::store::{ChangeError, Deleted, Deletion, Holding, KeptStatus, Push, Releasing, StoreError, admission, hold};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

/// Rows of a hold that are released in one transaction, at most: others wait no longer than that takes.
const PART: usize = 2000;

/// What was released of a hold.
#[derive(Debug)]
pub(super) struct Part {
    /// Versions that others can see since.
    pub(super) versions: usize,
    /// Whether there is more.
    pub(super) more: bool,
}

pub(super) fn add(
    connection: &Connection,
    trail: &mut Trail<'_>,
    push: &Push,
    now: Timestamp,
) -> Result<Status, StoreError> {
    let mut shelf = Shelf { connection, collection: push.collection };
    let Added { status, entries, changed } = admission::add(&mut shelf, push, now)?;
    if !push.dry_run {
        if changed {
            raise_edition(connection, push.collection)?;
        }
        keep_status(connection, status.id, &KeptStatus::of(push, &status, now))?;
    }
    entries.iter().try_for_each(|entry| trail.append(entry))?;
    Ok(status)
}

pub(super) fn place(
    connection: &Connection,
    trail: &mut Trail<'_>,
    holding: &Holding,
    now: Timestamp,
) -> Result<(), StoreError> {
    hold::place(&mut Shelf { connection, collection: holding.collection }, &holding.hold)?;
    raise_edition(connection, holding.collection)?;
    let registry = registry::load_within(connection)?;
    trail.append(&holding.audit_entry(&|key| registry.name_of(key), now))
}

pub(super) fn release(
    connection: &Connection,
    trail: &mut Trail<'_>,
    releasing: &Releasing,
    now: Timestamp,
) -> Result<Option<Part>, StoreError> {
    let mut shelf = Shelf { connection, collection: releasing.collection };
    let Some(released) = hold::release(&mut shelf, releasing.id, now, PART)? else { return Ok(None) };
    raise_edition(connection, releasing.collection)?;
    let registry = registry::load_within(connection)?;
    let Releasing { actor, collection_id, .. } = releasing;
    trail.append(&released.audit_entry_of(actor, collection_id, &|key| registry.name_of(key), now))?;
    Ok(Some(Part { versions: released.versions, more: released.more }))
}

/// Ends the holds whose time has come, or a part of them. Gives whether there is more.
pub(super) fn tend(connection: &Connection, trail: &mut Trail<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let mut more = false;
    for (collection, id) in due(connection, now)? {
        raise_edition(connection, collection)?;
        let registry = registry::load_within(connection)?;
        let (all, is_part) = hold::release_due(&mut Shelf { connection, collection }, now, PART)?;
        more |= is_part;
        for released in all {
            trail.append(&released.audit_entry(&id, &|key| registry.name_of(key), now))?;
        }
    }
    Ok(more)
}

/// Says that scans of a collection may find something else from now on.
fn raise_edition(connection: &Connection, collection: CollectionKey) -> Result<(), StoreError> {
    const ALL: &str = "UPDATE meta SET edition = edition + 1";
    const ONE: &str = "UPDATE collection SET edition = (SELECT edition FROM meta) WHERE key = ?";
    connection.prepare_cached(ALL)?.execute([])?;
    connection.prepare_cached(ONE)?.execute([collection.0])?;
    Ok(())
}

fn keep_status(connection: &Connection, id: Uuid, kept: &KeptStatus) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO status (id, root, organisation, collection, expires, resource) VALUES (?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(SQL)?.execute(params![
        id.as_bytes(),
        kept.root,
        kept.organisation.0,
        kept.collection.0,
        kept.expires.micros(),
        kept.resource,
    ])?;
    Ok(())
}

pub(super) fn delete(
    connection: &Connection,
    trail: &mut Trail<'_>,
    deletion: &Deletion,
) -> Result<Deleted, StoreError> {
    let mut shelf = Shelf { connection, collection: deletion.collection };
    let (deleted, gone) = shelf.delete(deletion)?;
    if let Deleted::Versions(_) = deleted {
        raise_edition(connection, deletion.collection)?;
        trail.append(&deletion.audit_entry(gone))?;
    }
    Ok(deleted)
}

pub(super) fn make_change(
    connection: &Connection,
    trail: &mut Trail<'_>,
    change: &Change,
    actor: &audit::Actor,
    now: Timestamp,
) -> Result<Result<(), ChangeError>, StoreError> {
    let before = registry::load_within(connection)?;
    if let Err(refused) = before.check(change) {
        return Ok(Err(refused.into()));
    }
    registry::change(connection, change)?;
    let after = registry::load_within(connection)?;
    trail.append(&change.audit_entry(now, actor, &before, &after))?;
    Ok(Ok(()))
}
