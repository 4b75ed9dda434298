//! The registry's rows.

use crate::access::credential::{Credential, Fingerprint};
use crate::access::level::Level;
use crate::access::organisation::{Organisation, OrganisationKey};
use crate::access::permission::{CollectionKey, Grant};
use crate::stix::finding::{NotAProfile, Profile};
use crate::stix::head::Spec;
use crate::store::StoreError;
use crate::store::registry::{Change, Collection, Registry, Root};
use crate::taxii::timestamp::Timestamp;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, params};

/// Reads the whole registry, in one transaction so that its parts belong together.
pub(super) fn load(connection: &Connection) -> Result<Registry, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    load_within(&transaction)
}

/// The same, within a transaction that is under way.
pub(super) fn load_within(transaction: &Connection) -> Result<Registry, StoreError> {
    let generation: i64 = transaction.query_row("SELECT generation FROM meta", [], |row| row.get(0))?;
    Ok(Registry {
        generation: generation.unsigned_abs(),
        roots: all(transaction, "SELECT name, title FROM root ORDER BY key", root)?,
        collections: all(
            transaction,
            "SELECT key, id, root, title, description, alias, unmarked, specs, created, profile FROM collection ORDER BY id",
            collection,
        )?,
        organisations: all(transaction, "SELECT key, name, title FROM organisation ORDER BY name", organisation)?,
        credentials: all(
            transaction,
            "SELECT fingerprint, organisation, subject, not_after FROM credential ORDER BY organisation, fingerprint",
            credential,
        )?,
        grants: all(
            transaction,
            "SELECT organisation, collection, read, write, manage FROM permission ORDER BY organisation, collection",
            grant,
        )?,
    })
}

fn all<T>(connection: &Connection, sql: &str, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn root(row: &Row<'_>) -> rusqlite::Result<Root> {
    Ok(Root { name: row.get(0)?, title: row.get(1)? })
}

fn collection(row: &Row<'_>) -> rusqlite::Result<Collection> {
    let specs: String = row.get(7)?;
    Ok(Collection {
        key: CollectionKey(row.get(0)?),
        id: row.get(1)?,
        root: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        alias: row.get(5)?,
        unmarked: level(row.get(6)?)?,
        specs: specs.split(',').filter_map(Spec::parse).collect(),
        created: Timestamp::from_micros(row.get(8)?),
        profile: profile(&row.get::<_, String>(9)?)?,
    })
}

fn profile(name: &str) -> rusqlite::Result<Profile> {
    name.parse().map_err(|error: NotAProfile| FromSqlError::Other(error.into()).into())
}

fn organisation(row: &Row<'_>) -> rusqlite::Result<Organisation> {
    Ok(Organisation { key: OrganisationKey(row.get(0)?), name: row.get(1)?, title: row.get(2)? })
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        fingerprint: Fingerprint(row.get(0)?),
        organisation: OrganisationKey(row.get(1)?),
        subject: row.get(2)?,
        not_after: Timestamp::from_micros(row.get(3)?),
    })
}

fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        organisation: OrganisationKey(row.get(0)?),
        collection: CollectionKey(row.get(1)?),
        read: row.get::<_, Option<u8>>(2)?.map(level).transpose()?,
        write: row.get(3)?,
        manage: row.get(4)?,
    })
}

fn level(rank: u8) -> rusqlite::Result<Level> {
    Level::from_rank(rank).ok_or_else(|| FromSqlError::OutOfRange(i64::from(rank)).into())
}

/// Makes a change that was checked against the registry of this transaction.
pub(super) fn change(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::AddRoot(root) => {
            connection.execute("INSERT INTO root (name, title) VALUES (?, ?)", params![root.name, root.title])?;
        }
        Change::AddCollection(collection) => add_collection(connection, collection)?,
        Change::SetProfile(collection, profile) => {
            const SQL: &str = "UPDATE collection SET profile = ? WHERE key = ?";
            connection.execute(SQL, params![profile.as_str(), collection.0])?;
        }
        Change::AddOrganisation { name, title } => {
            connection.execute("INSERT INTO organisation (name, title) VALUES (?, ?)", params![name, title])?;
        }
        Change::AddCredential(Credential { fingerprint, organisation, subject, not_after }) => {
            const SQL: &str =
                "INSERT INTO credential (fingerprint, organisation, subject, not_after) VALUES (?, ?, ?, ?)";
            connection.execute(SQL, params![fingerprint.0, organisation.0, subject, not_after.micros()])?;
        }
        Change::RemoveCredential(fingerprint) => {
            connection.execute("DELETE FROM credential WHERE fingerprint = ?", [fingerprint.0])?;
        }
        Change::SetGrant(Grant { organisation, collection, read, write, manage }) => {
            const SQL: &str = "INSERT OR REPLACE INTO permission (organisation, collection, read, write, manage) VALUES (?, ?, ?, ?, ?)";
            connection.execute(SQL, params![organisation.0, collection.0, read.map(Level::rank), write, manage])?;
        }
        Change::RevokeGrant(organisation, collection) => {
            const SQL: &str = "DELETE FROM permission WHERE organisation = ? AND collection = ?";
            connection.execute(SQL, [organisation.0, collection.0])?;
        }
    }
    connection.execute("UPDATE meta SET generation = generation + 1", [])?;
    Ok(())
}

fn add_collection(connection: &Connection, collection: &Collection) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO collection (id, root, title, description, alias, unmarked, specs, created, profile, newest)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
    let specs: Vec<&str> = collection.specs.iter().map(|spec| spec.as_str()).collect();
    connection.execute(
        SQL,
        params![
            collection.id,
            collection.root,
            collection.title,
            collection.description,
            collection.alias,
            collection.unmarked.rank(),
            specs.join(","),
            collection.created.micros(),
            collection.profile.as_str(),
        ],
    )?;
    Ok(())
}
