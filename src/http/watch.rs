//! The watch: keeps keys, certificates and revocation lists as the files are, and says in time
//! what is going to end.

use super::Door;
use super::tls::Ending;
use crate::taxii::timestamp::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The files are looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// What ends soon is told this often.
const TELL: Duration = Duration::from_hours(24);
/// Days before an end from which on it is told, and told to be near. Within the last it is an error that nothing
/// was done.
const STAGES: [i64; 3] = [60, 30, 7];

/// Watches for as long as the server runs.
pub(super) async fn over(door: Arc<Door>) {
    let (mut told, mut was_over): (Option<Instant>, bool) = (None, false);
    loop {
        // A revocation list that has just ended shuts out members: that is told at once.
        let is_over = door.tls.ends().iter().any(|end| end.what == Ending::RevocationList && end.at <= door.tls.now());
        if told.is_none_or(|told| told.elapsed() >= TELL) || (is_over && !was_over) {
            told = Some(Instant::now());
            tell(&door);
        }
        was_over = is_over;
        let asked = timeout(LOOK, door.tls.asked()).await.is_ok();
        let looking = Arc::clone(&door.tls);
        // An error says that the server is ending.
        let Ok(outcome) = actix_rt::task::spawn_blocking(move || looking.look(asked)).await else { return };
        if let Some(is_good) = outcome {
            door.metrics.reloaded(is_good);
            let outcome = if is_good { "read" } else { "refused: the old ones stay" };
            door.exchange.note_reload("keys, certificates, anchors and revocation lists", outcome);
        }
    }
}

/// One line in the log for each thing that ends soon, or has ended.
fn tell(door: &Door) {
    let now = door.tls.now();
    for end in door.tls.ends().into_iter().filter(|end| end.is_due(now)) {
        // Lists do not last for long: of days before their end there is nothing to say.
        let within = stage(end.days_left(now)).filter(|_| end.what != Ending::RevocationList);
        warn(kind(end.what), &end.name, end.at, now, within);
    }
    for (name, at) in door.exchange.credential_ends().unwrap_or_default() {
        let days = (at.micros() - now.micros()).div_euclid(86_400_000_000);
        if let Some(within) = stage(days) {
            warn("credential", &name, at, now, Some(within));
        }
    }
}

/// Within which of the stages an end is that is so many days away.
fn stage(days: i64) -> Option<i64> {
    STAGES.into_iter().filter(|stage| days < *stage).min()
}

/// `within`: the stage, in days.
fn warn(kind: &str, name: &str, at: Timestamp, now: Timestamp, within: Option<i64>) {
    let hours = (at.micros() - now.micros()).div_euclid(3_600_000_000);
    let (days, hours) = (hours.div_euclid(24), hours.rem_euclid(24));
    if at <= now || within == STAGES.into_iter().min() {
        tracing::error!(kind, name, days, hours, within, end = %at, "ends soon, or has ended: replace it now");
    } else {
        tracing::warn!(kind, name, days, hours, within, end = %at, "ends soon: replace it");
    }
}

/// Measures what is only known when it is asked for.
pub(super) fn measure(door: &Door) {
    let now = door.tls.now();
    let ends = door.tls.ends();
    for what in [Ending::Server, Ending::Anchor, Ending::RevocationList] {
        let first = ends.iter().filter(|end| end.what == what).map(|end| end.at).min();
        door.metrics.ends(kind(what), first.map(|at| (at.micros() - now.micros()).div_euclid(1_000_000)));
    }
    // Those that have ended say nothing about the next that will.
    let credentials = door.exchange.credential_ends().unwrap_or_default();
    let first = credentials.into_iter().map(|(_, at)| at).filter(|at| *at > now).min();
    door.metrics.ends("credential", first.map(|at| (at.micros() - now.micros()).div_euclid(1_000_000)));
    door.metrics.material(door.tls.is_good());
}

fn kind(what: Ending) -> &'static str {
    match what {
        Ending::Server => "server_certificate",
        Ending::Anchor => "anchor",
        Ending::RevocationList => "revocation_list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_from_60_30_and_7_days_before_it_on() {
        for (days, within) in [
            (61, None),
            (60, None),
            (59, Some(60)),
            (30, Some(60)),
            (29, Some(30)),
            (7, Some(30)),
            (6, Some(7)),
            (-1, Some(7)),
        ] {
            assert_eq!(stage(days), within, "{days}");
        }
    }
}
