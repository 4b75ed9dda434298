//! The server: from a socket to answers, and to a clean end.

use super::accept::{Gate, LONGEST_LOGGED, Listener, accept};
use super::answer::Answer;
use super::error::Problem;
use super::limits::Limits;
use super::metrics::Metrics;
use super::peer::Peer;
use super::routes::Route;
use super::stream::Stream;
use super::throttle::{Failures, Throttle};
use super::tls::Tls;
use super::waiting::{self, Waiters};
use super::{Asked, Door, body, fallback, hold, objects, ops, watch};
use crate::access::credential::Fingerprint;
use crate::clock::stopwatch;
use crate::exchange::{Exchange, Refused, Session, plain};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::USER_AGENT;
use actix_http::{ConnectionType, HttpServiceBuilder, Method, Payload, Request, RequestHead, Response};
use actix_server::{Server, ServerHandle};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt as _, fn_service};
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::sleep;

/// The largest header section that is looked at, in octets: the fields as they stand, without the
/// request line, whose query has a bound of its own.
const LARGEST_HEAD: usize = 32 << 10;

/// Who asks for more than its share waits for so long until it is told: to say no over and over
/// again is work, too.
const BREATH: Duration = Duration::from_millis(100);

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// What it serves.
    pub exchange: Arc<Exchange>,
    /// How long and how much a connection may take.
    pub limits: Limits,
    /// What TLS is done with.
    pub tls: Arc<Tls>,
    /// Where TAXII is spoken.
    pub taxii: TcpListener,
    /// Where it is spoken with who has no certificate, if anywhere.
    pub fallback: Option<(TcpListener, fallback::Settings)>,
    /// Where the operator asks how it is, if anywhere.
    pub ops: Option<TcpListener>,
}

/// Tells a running server to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    handle: ServerHandle,
    fallback: Option<ServerHandle>,
    ops: Option<ServerHandle>,
    draining: Arc<Sender<bool>>,
    waiters: Arc<Waiters>,
}

impl Stop {
    /// Takes no more connections, closes idle ones, answers who waits, lets answers under way finish, and
    /// returns when all is done or the drain time is over.
    pub async fn drain(&self) {
        self.draining.send_replace(true);
        self.waiters.end();
        let fallback = self.fallback.as_ref().map(|fallback| fallback.stop(true));
        self.handle.stop(true).await;
        if let Some(fallback) = fallback {
            fallback.await;
        }
        if let Some(ops) = &self.ops {
            ops.stop(false).await;
        }
    }
}

/// Begins to serve. The future ends when all listeners have stopped. Runs inside an actix system.
pub fn serve(parts: Parts) -> std::io::Result<(impl Future<Output = std::io::Result<()>>, Stop)> {
    let Parts { exchange, limits, tls, taxii, fallback, ops } = parts;
    let metrics = Arc::new(Metrics::new());
    let door = Arc::new(Door {
        exchange,
        limits,
        waiters: Waiters::new(&limits, Arc::clone(&metrics)),
        metrics,
        bodies: body::Budget::new(limits.body_octets),
        throttle: Throttle::new(limits),
        compressing: Arc::new(Semaphore::new(limits.worker_count())),
        failures: Failures::default(),
        secret_header: fallback.as_ref().and_then(|(_, settings)| settings.secret_header()),
        tls,
    });
    actix_rt::spawn(watch::over(Arc::clone(&door)));
    actix_rt::spawn(waiting::over(Arc::clone(&door)));
    let (draining, drained) = channel(false);
    let server = serve_taxii(taxii, Listener::MutualTls, &door, &drained)?;
    let fallback = fallback.map(|(socket, _)| serve_taxii(socket, Listener::Fallback, &door, &drained));
    let fallback = fallback.transpose()?;
    let stop = Stop {
        handle: server.handle(),
        waiters: Arc::clone(&door.waiters),
        fallback: fallback.as_ref().map(Server::handle),
        ops: ops.map(|socket| serve_ops(socket, door, limits, drained)).transpose()?,
        draining: Arc::new(draining),
    };
    // Both run from now on.
    let fallback = fallback.map(actix_rt::spawn);
    let all = async move {
        let outcome = server.await;
        if let Some(fallback) = fallback {
            fallback.await.map_err(std::io::Error::other)??;
        }
        outcome
    };
    Ok((all, stop))
}

/// A listener for TAXII, with threads, connections and handshakes of its own: one that is full of
/// them leaves the other as it is. What credentials and bodies may take, they share.
fn serve_taxii(
    socket: TcpListener,
    listener: Listener,
    door: &Arc<Door>,
    drained: &Receiver<bool>,
) -> std::io::Result<Server> {
    let (limits, door, drained) = (door.limits, Arc::clone(door), drained.clone());
    let gate = Arc::new(Gate::new(listener, &limits));
    let workers = limits.worker_count();
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(limits.connections.div_ceil(workers))
        .shutdown_timeout(limits.drain_seconds)
        .disable_signals();
    let builder = builder.listen("taxii", socket, move || {
        let (door, gate) = (Arc::clone(&door), Arc::clone(&gate));
        let answering = Arc::clone(&door);
        let expecting = Arc::clone(&door);
        let accept = fn_service(move |socket: TcpStream| accept(Arc::clone(&door), Arc::clone(&gate), socket));
        let http = http_service(limits, &drained)
            .on_connect_ext(|stream: &Stream, data| drop(data.insert(Arc::clone(&stream.peer))))
            .expect(fn_service(move |request| ready(expect(&expecting, request))))
            .h1(fn_service(move |request| answer(Arc::clone(&answering), request)));
        accept.map_init_err(|()| ()).and_then(http.map_err(|_| ()))
    })?;
    Ok(builder.run())
}

/// The operator's listener, with a thread of its own: it answers also when the other is full.
fn serve_ops(
    socket: TcpListener,
    door: Arc<Door>,
    limits: Limits,
    drained: Receiver<bool>,
) -> std::io::Result<ServerHandle> {
    let builder = Server::build().workers(1).shutdown_timeout(1).disable_signals();
    let server = builder.listen("ops", socket, move || {
        let (door, answering) = (Arc::clone(&door), drained.clone());
        let service = http_service(limits, &drained).h1(fn_service(move |request: Request| {
            let answer = ops::answer(&door, &request, &answering);
            async move { Ok::<_, Infallible>(answer) }
        }));
        service.tcp()
    })?;
    let server = server.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(handle)
}

/// The framework's HTTP/1.1, with our deadlines.
fn http_service<T, S>(limits: Limits, drained: &Receiver<bool>) -> HttpServiceBuilder<T, S>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    let drained = drained.clone();
    HttpServiceBuilder::default()
        .keep_alive(limits.keep_alive())
        .client_request_timeout(limits.header())
        // After an early answer the rest of a body is read for this long, so that the caller gets to see it.
        .client_disconnect_timeout(limits.header())
        .graceful_shutdown_signal(move || {
            let mut drained = drained.clone();
            async move {
                // An error says that the server is gone, which is as good a reason.
                let _ = drained.wait_for(|draining| *draining).await;
            }
        })
}

/// Before a caller is told to go on and send its body: whether that may come.
fn expect(door: &Door, mut request: Request) -> Result<Request, Response<BoxBody>> {
    let mut event = Event::new(Route::of(request.path()));
    let outcome = peer(&request).and_then(|peer| {
        peer.begins(request.payload());
        let route = Route::of(request.path());
        expected(door, &peer, (request.head(), route), &mut event)
    });
    match outcome {
        Ok(()) => Ok(request),
        Err(problem) => {
            event.tell(&problem);
            event.untold = !is_told(door, &request, &problem, &event);
            let mut response = problem.into_response();
            if let Ok(peer) = peer(&request) {
                is_answered(&peer, &mut response);
            }
            log(door, request.head(), &response, &event);
            Err(body::hold(response, request.take_payload()))
        }
    }
}

fn expected(
    door: &Door,
    peer: &Peer,
    (head, route): (&RequestHead, Option<Route<'_>>),
    event: &mut Event,
) -> Result<(), Problem> {
    let session = sign_in(door, peer, head, event)?;
    let asked = Asked::new(door, peer, session, head);
    let verdict = match route {
        Some(Route::Objects(root, id)) if head.method == Method::POST => objects::may_come(&asked, root, id).map(drop),
        Some(Route::Holds(root, id)) if head.method == Method::POST => hold::may_come(&asked, root, id),
        _ if body::is_declared(head) => Err(Problem::no_body_wanted()),
        _ => Ok(()),
    };
    // Who is told to go on is counted when its request is answered.
    verdict.map_err(|problem| peer.admit(door, &asked.session).err().unwrap_or(problem))
}

/// Answers one request, whatever happens, and logs it.
async fn answer(door: Arc<Door>, mut request: Request) -> Result<Response<BoxBody>, Infallible> {
    let mut payload = request.take_payload();
    let route = Route::of(request.path());
    let mut event = Event::new(route);
    let mut outcome = match peer(&request) {
        Ok(peer) => {
            peer.begins(&payload);
            unless_panicking(handle(&door, &peer, (request.head(), route), &mut payload, &mut event)).await
        }
        Err(problem) => Err(problem),
    };
    match &outcome {
        Ok(answer) => event.items = answer.items,
        Err(problem) => {
            event.tell(problem);
            event.untold = !is_told(&door, &request, problem, &event);
        }
    }
    let counted = outcome.as_mut().ok().and_then(|answer| answer.octets.take());
    let mut response = outcome.map_or_else(Problem::into_response, Answer::into_response);
    if let Ok(peer) = peer(&request) {
        if let (BodySize::Sized(octets), false) = (response.body().size(), request.method() == Method::HEAD) {
            peer.sending(usize::try_from(octets).unwrap_or(usize::MAX));
        }
        is_answered(&peer, &mut response);
    }
    // From now on they are counted as those of the connection.
    drop(counted);
    log(&door, request.head(), &response, &event);
    Ok(body::hold(response, payload))
}

/// The answer is handed over. It is the last on its connection if its request has a body that was
/// not read to its end: whether one that nobody waits for comes in time or not changes nothing.
fn is_answered(peer: &Peer, response: &mut Response<BoxBody>) {
    if !peer.is_answered() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

/// What the log says of a request beyond request and response.
struct Event {
    begun: Instant,
    /// How long of that it waited for something new.
    waited: Duration,
    /// The endpoint's name.
    endpoint: &'static str,
    items: usize,
    /// Organisation and credential, once they are known.
    who: Option<(String, Fingerprint)>,
    error_id: Option<String>,
    cause: Option<Box<str>>,
    reason: Option<&'static str>,
    /// It is a refusal that is counted rather than told.
    untold: bool,
}

impl Event {
    fn new(route: Option<Route<'_>>) -> Self {
        let endpoint = route.map_or("none", Route::name);
        let (who, error_id, cause, reason) = (None, None, None, None);
        let (begun, waited) = (stopwatch(), Duration::ZERO);
        Self { begun, waited, endpoint, items: 0, who, error_id, cause, reason, untold: false }
    }

    fn tell(&mut self, problem: &Problem) {
        self.error_id = Some(problem.error_id.clone());
        self.cause.clone_from(&problem.cause);
        self.reason = problem.reason;
    }
}

async fn handle(
    door: &Door,
    peer: &Peer,
    (head, route): (&RequestHead, Option<Route<'_>>),
    payload: &mut Payload,
    event: &mut Event,
) -> Result<Answer, Problem> {
    let session = sign_in(door, peer, head, event)?;
    if let Err(problem) = peer.admit(door, &session) {
        sleep(BREATH).await;
        return Err(problem);
    }
    let asked = Asked::new(door, peer, session, head);
    let answer = route.ok_or_else(Problem::absent)?.answer(&asked, payload).await;
    event.waited = asked.waited.get();
    let mut answer = answer?;
    // What was changed is answered, whether there is room or not.
    if answer.octets.is_none() && [Method::GET, Method::HEAD].contains(&head.method) {
        answer.octets = Some(asked.room(answer.len())?);
    }
    asked.count_objects(answer.items);
    Ok(answer)
}

fn peer(request: &Request) -> Result<Arc<Peer>, Problem> {
    request.conn_data::<Arc<Peer>>().cloned().ok_or_else(|| Problem::internal("a request on no connection"))
}

fn sign_in(door: &Door, peer: &Peer, head: &RequestHead, event: &mut Event) -> Result<Session, Problem> {
    let octets: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if octets > LARGEST_HEAD {
        return Err(Problem::head_too_large(LARGEST_HEAD));
    }
    let session = peer.sign_in(door, head)?;
    event.who = Some((session.caller().name.clone(), session.caller().credential));
    let client = head.headers.get(USER_AGENT).map(|client| String::from_utf8_lossy(client.as_bytes()));
    Ok(session.of_client(client.as_deref(), head.method == Method::HEAD))
}

/// Takes note of a problem that is a refusal. Gives whether the log is to tell of it: of every
/// request of a member, and of strangers as far as they are told of at all.
fn is_told(door: &Door, request: &Request, problem: &Problem, event: &Event) -> bool {
    let (Some(reason), Some(peer)) = (problem.reason, request.conn_data::<Arc<Peer>>()) else { return true };
    let known = event.who.as_ref().or(problem.whose.as_deref());
    let refused = Refused {
        address: peer.address().to_string(),
        ip: Some(peer.address().ip()),
        organisation: known.map(|(organisation, _)| organisation.clone()),
        credential: known.map(|(_, credential)| *credential).or_else(|| peer.fingerprint()),
        endpoint: event.endpoint,
        method: Some(request.method().to_string()),
        path: Some(request.path().to_owned()),
        status: Some(problem.status.as_u16()),
        reason,
    };
    door.exchange.refused(refused) || event.who.is_some()
}

/// One line for each request. Query strings stay out: they can be long, and the audit trail has them.
fn log(door: &Door, head: &RequestHead, response: &Response<BoxBody>, event: &Event) {
    let took = event.begun.elapsed().saturating_sub(event.waited);
    let waited_millis = (!event.waited.is_zero()).then(|| millis(event.waited));
    let Event { endpoint, items, who, error_id, cause, reason, .. } = event;
    let status = response.status().as_u16();
    door.metrics.answered(endpoint, head.method.as_str(), status, *items, took);
    if event.untold {
        return;
    }
    let path = plain(head.uri.path(), LONGEST_LOGGED);
    let octets = match response.body().size() {
        BodySize::Sized(octets) => octets,
        BodySize::None | BodySize::Stream => 0,
    };
    let address = head.peer_addr.map(tracing::field::display);
    let millis = millis(took);
    let (method, organisation, error_id) = (&head.method, who.as_ref().map(|(name, _)| name), error_id.as_deref());
    match cause {
        None => {
            tracing::info!(
                %method, path, status, octets, items, millis, waited_millis, organisation, address, error_id, reason,
                "request"
            );
        }
        Some(cause) => {
            tracing::error!(%method, path, status, millis, organisation, address, error_id, cause, "request failed");
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Runs work that waits for the disk on a thread that may wait: the one crossing from here
/// to the store's writer.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    actix_rt::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error.to_string()))
}

/// A panic costs one request: its answer is a 500, and the others go on.
async fn unless_panicking<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Problem::internal("a handler panicked"))))
    })
    .await
}
