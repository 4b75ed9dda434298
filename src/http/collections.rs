//! `/{root}/collections/` and `/{root}/collections/{id}/` (TAXII 2.1 §5.1, §5.2).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;

pub(super) fn get(asked: &Asked<'_>, root: &str) -> Result<Answer, Problem> {
    let collections = asked.session.collections(root)?;
    asked.accept()?;
    Answer::resource(&collections)
}

pub(super) fn get_one(asked: &Asked<'_>, root: &str, id: &str) -> Result<Answer, Problem> {
    let collection = asked.session.collection(root, id)?;
    asked.accept()?;
    Answer::resource(&collection)
}
