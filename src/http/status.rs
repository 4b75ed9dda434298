//! `/{root}/status/{id}/` (TAXII 2.1 §4.3).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;

pub(super) fn get(asked: &Asked<'_>, root: &str, id: &str) -> Result<Answer, Problem> {
    let status = asked.session.status(root, id)?;
    asked.accept()?;
    Ok(Answer::ready(status))
}
