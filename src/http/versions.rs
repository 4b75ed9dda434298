//! `/{root}/collections/{id}/objects/{object}/versions/` (TAXII 2.1 §5.8).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;
use crate::taxii::filter::Endpoint;

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str, object: &str) -> Result<Answer, Problem> {
    let reading = asked.session.reading(root, collection)?;
    asked.accept()?;
    asked.page(reading.versions(object, &asked.query(Endpoint::Versions)?)?).await
}
