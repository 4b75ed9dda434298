//! `/{root}/` (TAXII 2.1 §4.2).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;

pub(super) fn get(asked: &Asked<'_>, root: &str) -> Result<Answer, Problem> {
    let root = asked.session.api_root(root)?;
    asked.accept()?;
    Answer::resource(&root)
}
