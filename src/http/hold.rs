//! `/{root}/collections/{id}/x_entente_hold/` and `…/x_entente_hold/{hold}/`: holds, for who manages a collection.

use super::answer::Answer;
use super::error::Problem;
use super::{Asked, body};
use crate::exchange::{Held, Wanted};
use actix_http::Payload;
use serde::Serialize;

/// Octets that the body of a hold may have.
const LARGEST: u64 = 64 << 10;

/// The holds in force.
#[derive(Serialize)]
struct Holds {
    holds: Vec<Held>,
}

/// How many versions were let go, as far as the caller is told.
#[derive(Serialize)]
struct Released {
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<usize>,
}

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str) -> Result<Answer, Problem> {
    let holding = asked.session.holding(root, collection)?;
    asked.accept()?;
    Answer::resource(&Holds { holds: asked.recorded(holding.list()?).await? })
}

/// Whether a body may come, as far as that can be told before it does.
pub(super) fn may_come(asked: &Asked<'_>, root: &str, collection: &str) -> Result<(), Problem> {
    asked.session.holding(root, collection)?;
    asked.accept()?;
    asked.content()?;
    body::fits(asked, LARGEST)
}

pub(super) async fn post(
    asked: &Asked<'_>,
    root: &str,
    collection: &str,
    payload: &mut Payload,
) -> Result<Answer, Problem> {
    may_come(asked, root, collection)?;
    let body = body::read(asked, payload, LARGEST).await?;
    let holding = asked.renewed()?.holding(root, collection)?;
    let held = super::server::blocking(move || {
        // All of it, not its octets only: it counts for as long as it is here.
        let body = body;
        let wanted: Wanted =
            serde_json::from_slice(&body.octets).map_err(|error| Problem::body_broken(&error.to_string()))?;
        Ok::<_, Problem>(holding.place(wanted)?)
    })
    .await??;
    Answer::resource(&held)
}

pub(super) async fn delete(asked: &Asked<'_>, root: &str, collection: &str, hold: &str) -> Result<Answer, Problem> {
    let holding = asked.session.holding(root, collection)?;
    asked.accept()?;
    let hold = hold.to_owned();
    let versions = super::server::blocking(move || holding.release(&hold)).await??;
    Answer::resource(&Released { versions })
}
