//! `/taxii2/` (TAXII 2.1 §4.1).

use super::Asked;
use super::answer::Answer;
use super::error::Problem;

pub(super) fn get(asked: &Asked<'_>) -> Result<Answer, Problem> {
    asked.accept()?;
    Answer::resource(&asked.session.discovery())
}
