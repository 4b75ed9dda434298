//! `/{root}/collections/{id}/objects/` (TAXII 2.1 §5.4, §5.5).

use super::answer::Answer;
use super::error::Problem;
use super::{Asked, body, waiting};
use crate::exchange::Session;
use crate::taxii::filter::Endpoint;
use actix_http::Payload;

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str) -> Result<Answer, Problem> {
    let reading = asked.session.reading(root, collection)?;
    asked.accept()?;
    let query = asked.query(Endpoint::Collection)?;
    let find = |session: &Session| Ok(session.reading(root, collection)?.objects(&query)?);
    waiting::page(asked, &query, reading.objects(&query)?, find).await
}

/// Whether a body may come, as far as that can be told before it does; and whether what is in it
/// is to be judged only.
pub(super) fn may_come(asked: &Asked<'_>, root: &str, collection: &str) -> Result<bool, Problem> {
    asked.session.writing(root, collection)?;
    asked.accept()?;
    asked.content()?;
    let dry_run = asked.dry_run()?;
    body::fits(asked, asked.max_content_length())?;
    Ok(dry_run)
}

pub(super) async fn post(
    asked: &Asked<'_>,
    root: &str,
    collection: &str,
    payload: &mut Payload,
) -> Result<Answer, Problem> {
    let dry_run = may_come(asked, root, collection)?;
    let mut body = body::read(asked, payload, asked.max_content_length()).await?;
    body.count_objects(asked.door)?;
    // A body may take its time. What counts is who the caller is, and what it may, when it is whole.
    let writing = asked.renewed()?.writing(root, collection)?;
    let count = asked.counting();
    let added = super::server::blocking(move || {
        // All of it, not its octets only: it counts for as long as it is here, and so do its
        // objects, also if the caller does not wait for the end.
        let body = body;
        let added = writing.add(&body.octets, dry_run)?;
        count(added.status.successes().len() + added.status.failures().len());
        Ok::<_, Problem>(added)
    })
    .await??;
    if !dry_run {
        asked.door.metrics.added(&added.status);
    }
    if added.bundle || asked.is_foreign() {
        asked.door.metrics.foreign(added.bundle);
    }
    Answer::accepted(&added.status)
}
