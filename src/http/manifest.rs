//! `/{root}/collections/{id}/manifest/` (TAXII 2.1 §5.3).

use super::answer::Answer;
use super::error::Problem;
use super::{Asked, waiting};
use crate::exchange::Session;
use crate::taxii::filter::Endpoint;

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str) -> Result<Answer, Problem> {
    let reading = asked.session.reading(root, collection)?;
    asked.accept()?;
    let query = asked.query(Endpoint::Collection)?;
    let find = |session: &Session| Ok(session.reading(root, collection)?.manifest(&query)?);
    waiting::page(asked, &query, reading.manifest(&query)?, find).await
}
