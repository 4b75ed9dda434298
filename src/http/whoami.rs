//! `/x-entente/whoami`: what a caller is to this server, what it may, and why. Not TAXII's.

use super::Asked;
use super::answer::Answer;
use super::error::Problem;
use crate::exchange::Whoami;
use serde::Serialize;

#[derive(Serialize)]
struct Resource {
    #[serde(flatten)]
    whoami: Whoami,
    listener: &'static str,
    limits: Applying,
}

/// The limits that its caller may run into. 0: none.
#[derive(Serialize)]
struct Applying {
    requests_per_minute: u32,
    objects_per_minute: u32,
    connections: usize,
    octets_in_flight: usize,
    page_size: usize,
    page_octets: usize,
    max_content_length: u64,
    max_objects: usize,
}

pub(super) fn get(asked: &Asked<'_>) -> Result<Answer, Problem> {
    let (limits, settings) = (&asked.door.limits, asked.door.exchange.settings());
    Answer::resource(&Resource {
        whoami: asked.session.whoami(),
        listener: asked.peer.listener(),
        limits: Applying {
            requests_per_minute: limits.requests_per_minute,
            objects_per_minute: limits.objects_per_minute,
            connections: limits.connections_per_credential,
            octets_in_flight: limits.octets_in_flight_per_credential,
            page_size: settings.page_size,
            page_octets: settings.page_octets,
            max_content_length: settings.max_content_length,
            max_objects: settings.max_objects,
        },
    })
}
