//! `/{root}/collections/{id}/manifest/` (TAXII 2.1 §5.3).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;
use crate::taxii::filter::Endpoint;

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str) -> Result<Answer, Problem> {
    let reading = asked.session.reading(root, collection)?;
    asked.accept()?;
    asked.page(reading.manifest(&asked.query(Endpoint::Collection)?)?).await
}
