//! The registry's rows.

use crate::access::credential::{Anchor, Credential, CredentialKey, Fingerprint, Proof, Secret};
use crate::access::level::Level;
use crate::access::organisation::{Organisation, OrganisationKey};
use crate::access::permission::{CollectionKey, Grant};
use crate::access::proof::certificate::Name;
use crate::stix::head::Spec;
use crate::store::StoreError;
use crate::store::registry::{Change, Collection, Registry, Root, Rule, Rules};
use crate::taxii::timestamp::Timestamp;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, ToSql, params};
use std::error::Error;
use std::str::FromStr;

/// Reads the whole registry, in one transaction so that its parts belong together.
pub(super) fn load(connection: &Connection) -> Result<Registry, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    load_within(&transaction)
}

const COLLECTIONS: &str =
    "SELECT key, id, root, title, description, alias, specs, created, unmarked, ceiling, profile, downgrade
    FROM collection ORDER BY id";
const ORGANISATIONS: &str = "SELECT key, name, title, suspended,
    (SELECT group_concat(id, ' ' ORDER BY id) FROM identity WHERE organisation = key) FROM organisation ORDER BY name";
const CREDENTIALS: &str =
    "SELECT key, organisation, label, not_after, ends, revoked, fingerprint, anchor, name, hash, terms
    FROM credential ORDER BY organisation, key";
const ANCHORS: &str = "SELECT fingerprint, subject, not_after,
    (SELECT group_concat(organisation, ' ' ORDER BY organisation) FROM anchor_for WHERE anchor = fingerprint)
    FROM anchor ORDER BY fingerprint";
const GRANTS: &str = "SELECT organisation, collection, read, write, manage, relay
    FROM permission ORDER BY organisation, collection";

/// The same, within a transaction that is under way.
pub(super) fn load_within(transaction: &Connection) -> Result<Registry, StoreError> {
    let generation: i64 = transaction.query_row("SELECT generation FROM meta", [], |row| row.get(0))?;
    Ok(Registry {
        generation: generation.unsigned_abs(),
        roots: all(transaction, "SELECT name, title FROM root ORDER BY key", root)?,
        collections: all(transaction, COLLECTIONS, collection)?,
        organisations: all(transaction, ORGANISATIONS, organisation)?,
        credentials: all(transaction, CREDENTIALS, credential)?,
        anchors: all(transaction, ANCHORS, anchor)?,
        grants: all(transaction, GRANTS, grant)?,
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
    let specs: String = row.get(6)?;
    Ok(Collection {
        key: CollectionKey(row.get(0)?),
        id: row.get(1)?,
        root: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        alias: row.get(5)?,
        specs: specs.split(',').filter_map(Spec::parse).collect(),
        created: Timestamp::from_micros(row.get(7)?),
        rules: Rules {
            unmarked: level(row.get(8)?)?,
            ceiling: level(row.get(9)?)?,
            profile: read(&row.get::<_, String>(10)?)?,
            downgrade: read(&row.get::<_, String>(11)?)?,
        },
    })
}

/// Reads a value from the text that it is kept as.
fn read<T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>>(text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|error: T::Err| FromSqlError::Other(error.into()).into())
}

fn organisation(row: &Row<'_>) -> rusqlite::Result<Organisation> {
    let identities: Option<String> = row.get(4)?;
    Ok(Organisation {
        key: OrganisationKey(row.get(0)?),
        name: row.get(1)?,
        title: row.get(2)?,
        suspended: row.get(3)?,
        identities: identities.iter().flat_map(|ids| ids.split(' ')).map(str::to_owned).collect(),
    })
}

fn credential(row: &Row<'_>) -> rusqlite::Result<Credential> {
    Ok(Credential {
        key: CredentialKey(row.get(0)?),
        organisation: OrganisationKey(row.get(1)?),
        label: row.get(2)?,
        not_after: time(row.get(3)?),
        ends: time(row.get(4)?),
        revoked: time(row.get(5)?),
        proof: proof(row)?,
    })
}

fn proof(row: &Row<'_>) -> rusqlite::Result<Proof> {
    if let Some(fingerprint) = row.get(6)? {
        return Ok(Proof::Key(Fingerprint(fingerprint)));
    }
    let fault = |reason: &'static str| FromSqlError::Other(reason.into());
    if let Some(name) = row.get::<_, Option<String>>(8)? {
        let anchor = row.get::<_, Option<[u8; 32]>>(7)?.map(Fingerprint);
        let name = Name::parse(&name).ok_or_else(|| fault("a credential's name is none"))?;
        return Ok(Proof::Name { anchor, name });
    }
    let terms: Secret =
        serde_json::from_str(&row.get::<_, String>(10)?).map_err(|error| FromSqlError::Other(error.into()))?;
    Ok(Proof::Secret(Secret { hash: row.get(9)?, ..terms }))
}

fn anchor(row: &Row<'_>) -> rusqlite::Result<Anchor> {
    let organisations: Option<String> = row.get(3)?;
    let organisations = organisations.iter().flat_map(|keys| keys.split(' ')).filter_map(|key| key.parse().ok());
    Ok(Anchor {
        fingerprint: Fingerprint(row.get(0)?),
        subject: row.get(1)?,
        not_after: Timestamp::from_micros(row.get(2)?),
        organisations: organisations.map(OrganisationKey).collect(),
    })
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        organisation: OrganisationKey(row.get(0)?),
        collection: CollectionKey(row.get(1)?),
        read: row.get::<_, Option<u8>>(2)?.map(level).transpose()?,
        write: row.get(3)?,
        manage: row.get(4)?,
        relay: row.get(5)?,
    })
}

fn level(rank: u8) -> rusqlite::Result<Level> {
    Level::from_rank(rank).ok_or_else(|| FromSqlError::OutOfRange(i64::from(rank)).into())
}

/// Makes a change that was checked against the registry of this transaction.
pub(super) fn change(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let execute = |sql: &str, values: &[&dyn ToSql]| connection.execute(sql, values).map(drop);
    match change {
        Change::AddRoot(root) => {
            execute("INSERT INTO root (name, title) VALUES (?, ?)", params![root.name, root.title])?;
        }
        Change::AddCollection(collection) => add_collection(connection, collection)?,
        Change::SetRules(collection, changed) => {
            changed.iter().try_for_each(|rule| set_rule(connection, *collection, *rule))?;
        }
        Change::AddOrganisation { name, title } => {
            execute("INSERT INTO organisation (name, title) VALUES (?, ?)", params![name, title])?;
        }
        Change::Suspend(organisation, suspended) => {
            execute("UPDATE organisation SET suspended = ? WHERE key = ?", params![suspended, organisation.0])?;
        }
        Change::DeclareIdentity(organisation, identity) => {
            execute("INSERT INTO identity (id, organisation) VALUES (?, ?)", params![identity, organisation.0])?;
        }
        Change::WithdrawIdentity(identity) => execute("DELETE FROM identity WHERE id = ?", params![identity])?,
        Change::AddCredential(credential) => add_credential(connection, credential)?,
        Change::RenewCredential(key, label, not_after) => {
            const SQL: &str = "UPDATE credential SET label = ?, not_after = ? WHERE key = ?";
            execute(SQL, params![label, not_after.micros(), key.0])?;
        }
        Change::EndCredential(key, ends) => {
            execute("UPDATE credential SET ends = ? WHERE key = ?", params![ends.micros(), key.0])?;
        }
        Change::RevokeCredential(key, at) => {
            execute("UPDATE credential SET revoked = ? WHERE key = ?", params![at.micros(), key.0])?;
        }
        Change::BindAnchor(anchor) => bind_anchor(connection, anchor)?,
        Change::RemoveAnchor(fingerprint) => {
            execute("DELETE FROM anchor_for WHERE anchor = ?", params![fingerprint.0])?;
            execute("DELETE FROM anchor WHERE fingerprint = ?", params![fingerprint.0])?;
        }
        Change::SetGrant(Grant { organisation, collection, read, write, manage, relay }) => {
            const SQL: &str = "INSERT OR REPLACE INTO permission (organisation, collection, read, write, manage, relay)
                VALUES (?, ?, ?, ?, ?, ?)";
            execute(SQL, params![organisation.0, collection.0, read.map(Level::rank), write, manage, relay])?;
        }
        Change::RevokeGrant(organisation, collection) => {
            const SQL: &str = "DELETE FROM permission WHERE organisation = ? AND collection = ?";
            execute(SQL, params![organisation.0, collection.0])?;
        }
    }
    connection.execute("UPDATE meta SET generation = generation + 1", [])?;
    Ok(())
}

fn add_collection(connection: &Connection, collection: &Collection) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO collection (id, root, title, description, alias, specs, created, newest,
            unmarked, ceiling, profile, downgrade)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7 - 1, ?8, ?9, ?10, ?11)";
    let Rules { unmarked, ceiling, profile, downgrade } = collection.rules;
    let specs: Vec<&str> = collection.specs.iter().map(|spec| spec.as_str()).collect();
    connection.execute(
        SQL,
        params![
            collection.id,
            collection.root,
            collection.title,
            collection.description,
            collection.alias,
            specs.join(","),
            collection.created.micros(),
            unmarked.rank(),
            ceiling.rank(),
            profile.as_str(),
            downgrade.as_str(),
        ],
    )?;
    Ok(())
}

fn set_rule(connection: &Connection, CollectionKey(collection): CollectionKey, rule: Rule) -> Result<(), StoreError> {
    let execute = |sql: &str, values: &[&dyn ToSql]| connection.execute(sql, values).map(drop);
    Ok(match rule {
        Rule::Unmarked(level) => {
            execute("UPDATE collection SET unmarked = ? WHERE key = ?", params![level.rank(), collection])
        }
        Rule::Ceiling(level) => {
            execute("UPDATE collection SET ceiling = ? WHERE key = ?", params![level.rank(), collection])
        }
        Rule::Profile(profile) => {
            execute("UPDATE collection SET profile = ? WHERE key = ?", params![profile.as_str(), collection])
        }
        Rule::Downgrade(downgrade) => {
            execute("UPDATE collection SET downgrade = ? WHERE key = ?", params![downgrade.as_str(), collection])
        }
    }?)
}

fn add_credential(connection: &Connection, credential: &Credential) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO credential (organisation, label, not_after, ends, revoked, fingerprint, anchor, name, hash, terms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (mut fingerprint, mut anchor, mut name, mut hash, mut terms) = (None, None, None, None, None);
    match &credential.proof {
        Proof::Key(key) => fingerprint = Some(key.0),
        Proof::Name { anchor: of, name: is } => (anchor, name) = (of.map(|of| of.0), Some(is.to_string())),
        // A struct of numbers and strings always has a JSON form.
        Proof::Secret(secret) => (hash, terms) = (Some(secret.hash), serde_json::to_string(secret).ok()),
    }
    let [not_after, ends, revoked] =
        [credential.not_after, credential.ends, credential.revoked].map(|time| time.map(Timestamp::micros));
    let (organisation, label) = (credential.organisation.0, &credential.label);
    connection
        .execute(SQL, params![organisation, label, not_after, ends, revoked, fingerprint, anchor, name, hash, terms])?;
    Ok(())
}

fn bind_anchor(connection: &Connection, anchor: &Anchor) -> Result<(), StoreError> {
    let Anchor { fingerprint, subject, not_after, organisations } = anchor;
    connection.execute(
        "INSERT INTO anchor (fingerprint, subject, not_after) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET subject = ?2, not_after = ?3",
        params![fingerprint.0, subject, not_after.micros()],
    )?;
    for organisation in organisations {
        let values = params![fingerprint.0, organisation.0];
        connection.execute("INSERT OR IGNORE INTO anchor_for (anchor, organisation) VALUES (?, ?)", values)?;
    }
    Ok(())
}
