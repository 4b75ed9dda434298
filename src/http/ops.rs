//! The operator's own door: plain HTTP, loopback only. `/livez`, `/readyz`, `/metrics`.

use super::{Door, watch};
use actix_http::body::BoxBody;
use actix_http::header::CONTENT_TYPE;
use actix_http::{Method, Request, Response, StatusCode};
use tokio::sync::watch::Receiver;

/// Answers one request. `draining` is true once the server has been told to stop.
pub(super) fn answer(door: &Door, request: &Request, draining: &Receiver<bool>) -> Response<BoxBody> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
    }
    match request.path() {
        "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" if *draining.borrow() => plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned()),
        "/readyz" => {
            let faults = [door.exchange.ready().err().map(|error| error.to_string()), door.tls.fault()];
            let faults: Vec<String> = faults.into_iter().flatten().collect();
            if faults.is_empty() {
                plain(StatusCode::OK, "ready\n".to_owned())
            } else {
                plain(StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", faults.join("\n")))
            }
        }
        "/metrics" => {
            watch::measure(door);
            let mut response =
                plain(StatusCode::OK, door.metrics.text(door.exchange.queued(), door.exchange.store_octets().ok()));
            let open_metrics = actix_http::header::HeaderValue::from_static(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            );
            response.headers_mut().insert(CONTENT_TYPE, open_metrics);
            response
        }
        _ => plain(StatusCode::NOT_FOUND, "/livez, /readyz, /metrics\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<BoxBody> {
    Response::build(status).insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(text).map_into_boxed_body()
}
