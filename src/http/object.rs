//! `/{root}/collections/{id}/objects/{object}/` (TAXII 2.1 §5.6, §5.7).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;
use crate::taxii::filter::Endpoint;

pub(super) async fn get(asked: &Asked<'_>, root: &str, collection: &str, object: &str) -> Result<Answer, Problem> {
    let reading = asked.session.reading(root, collection)?;
    asked.accept()?;
    asked.page(reading.object(object, &asked.query(Endpoint::Object)?)?).await
}

pub(super) async fn delete(asked: &Asked<'_>, root: &str, collection: &str, object: &str) -> Result<Answer, Problem> {
    let deleting = asked.session.deleting(root, collection)?;
    asked.accept()?;
    let filter = asked.query(Endpoint::Deletion)?.filter.unwrap_or_default();
    let object = object.to_owned();
    super::server::blocking(move || deleting.delete(&object, filter)).await??;
    Ok(Answer::deleted())
}
