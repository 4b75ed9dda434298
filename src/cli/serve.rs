//! `entente serve`: where everything is put together.

use super::{Failure, pki, say};
use crate::audit::Signer;
use crate::clock::Clock;
use crate::config::{Ops, Settings};
use crate::exchange::Exchange;
use crate::http::server::{Parts, Stop, serve};
use crate::http::tls::Tls;
use crate::stix::judge::Judge;
use crate::store::Store;
use crate::store::sqlite::{ServerLock, Sqlite};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

pub(super) fn run(mut settings: Settings, listen: Option<SocketAddr>, ops: Option<Ops>) -> Result<(), Failure> {
    settings.server.listen = listen.unwrap_or(settings.server.listen);
    settings.server.ops = ops.unwrap_or(settings.server.ops);
    log_to_standard_error();
    if let Some(warning) = too_few_files(&settings) {
        tracing::warn!(warning);
    }
    until_told_to_stop(start(&settings, Clock::system())?)
}

/// Says where the server is, and runs it until SIGTERM or SIGINT; then drains it. SIGHUP has it
/// read its keys, certificates and revocation lists again.
pub(super) fn until_told_to_stop(mut server: Running) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody can know of the server: a signal that comes at once is heard.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        if let Some(address) = server.fallback {
            say(&format!("fallback listener on https://{address}"))?;
        }
        say(&format!("listening on https://{}", server.address))?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => server.tls.reread(),
                _ = &mut server.ended => return Ok(()),
            }
        }
        tracing::info!("told to stop: no more connections are taken, answers under way are finished");
        server.stop.drain().await;
        Ok::<(), Failure>(())
    })?;
    server.wait()
}

/// One line of JSON for each event, on standard error.
pub(super) fn log_to_standard_error() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,actix_server=warn".into());
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
    // A second call in one process changes nothing.
    let _ = subscriber.with_writer(std::io::stderr).try_init();
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    /// Where TAXII is spoken: with the real port.
    pub address: SocketAddr,
    /// Where the fallback listener is, if it is on.
    pub fallback: Option<SocketAddr>,
    /// Where the operator's listener is, if it is on.
    pub ops: Option<SocketAddr>,
    /// Makes it stop.
    pub stop: Stop,
    /// Its keys, certificates and revocation lists.
    pub tls: Arc<Tls>,
    /// Fails when the server has stopped, for whatever reason.
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Waits until it has stopped and its store is closed.
    pub fn wait(self) -> Result<(), Failure> {
        let ended = self.thread.join().map_err(|_| Failure::new("the server's thread panicked: see the log"))?;
        Ok(ended?)
    }
}

/// Starts a server on the store that the settings name. Returns when it answers.
pub fn start(settings: &Settings, clock: Clock) -> Result<Running, Failure> {
    // Now, not when the first sender waits for it.
    Judge::new()?;
    let lock = Sqlite::lock(&settings.server.data)?;
    let store = Sqlite::open(&settings.server.data, clock.clone())?;
    store.sign_with(audit_signer(&settings.server.pki)?);
    store.wait_at_most(settings.limits.writer());
    start_on(settings, clock, Arc::new(store), Some(lock))
}

/// Who signs the audit trail. Where nobody does, as in an installation of an older version, a key is made.
fn audit_signer(folder: &Path) -> Result<Signer, Failure> {
    if !folder.join(pki::AUDIT_KEY).exists() {
        pki::make_audit_key(folder)?;
        tracing::info!(
            "made {} and {}: keep a copy of the latter, which verifies the audit trail, elsewhere",
            folder.join(pki::AUDIT_KEY).display(),
            folder.join(pki::AUDIT_PUB).display()
        );
    }
    let reason = || format!("{}: this account may not read it", folder.join(pki::AUDIT_KEY).display());
    pki::audit_signer(folder)?.ok_or_else(|| Failure::new(reason()))
}

/// The same, on a store that is open.
pub fn start_on(
    settings: &Settings,
    clock: Clock,
    store: Arc<dyn Store>,
    lock: Option<ServerLock>,
) -> Result<Running, Failure> {
    let tls = Tls::open(&settings.server.pki, settings.tls, clock.clone())?;
    let reread = Arc::clone(&tls);
    let taxii = bind(settings.server.listen)?;
    let fallback = settings.fallback.listen.map(bind).transpose()?;
    let ops = match settings.server.ops {
        Ops::On(address) => Some(bind(address)?),
        Ops::Off => None,
    };
    let address = taxii.local_addr()?;
    let ops_address = ops.as_ref().map(TcpListener::local_addr).transpose()?;
    let fallback_address = fallback.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut exchange = Exchange::new(store, clock, settings.taxii.clone(), &settings.public_url(address.port()))?;
    if let Some(address) = fallback_address {
        exchange = exchange.with_fallback_at(&settings.fallback_url(address.port()));
    }
    let exchange = Arc::new(exchange);
    let evidence = Arc::clone(&exchange);
    let fallback = fallback.map(|socket| (socket, settings.fallback.clone()));
    let parts = Parts { exchange, limits: settings.limits, tls, taxii, fallback, ops };
    let (started, begun) = sync_channel(1);
    let (ending, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("taxii".to_owned()).spawn(move || {
        // Held until the last answer is out: then another server may run on the store.
        let (_lock, _ending) = (lock, ending);
        actix_rt::System::new().block_on(async move {
            let (server, stop) = serve(parts)?;
            evidence.note_start();
            actix_rt::spawn(tell_refusals(Arc::clone(&evidence)));
            // Nobody waits any more: then nobody needs to be told.
            let _ = started.send(stop);
            let ended = server.await;
            // Not left to whoever lets go of the store last: the program may end before that.
            evidence.note_stop().await.map_err(std::io::Error::other)?;
            ended
        })
    })?;
    match begun.recv() {
        Ok(stop) => {
            Ok(Running { address, fallback: fallback_address, ops: ops_address, stop, tls: reread, ended, thread })
        }
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(Failure::new("the server's thread ended before it began: see the log")),
        },
    }
}

/// Tells of counted refusals when their minute is over.
async fn tell_refusals(exchange: Arc<Exchange>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        exchange.tell_refusals(false);
    }
}

/// What to know if this process may not open as many files as there may be connections.
fn too_few_files(settings: &Settings) -> Option<String> {
    /// The store, the listeners, the standard streams.
    const OWN: usize = 100;
    let listeners = 1 + usize::from(settings.fallback.listen.is_some());
    let needed = listeners * settings.limits.connections + OWN;
    // Where this file is not, the limit is not known.
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let most: usize = line.split_whitespace().next()?.parse().ok()?;
    (most < needed).then(|| {
        format!(
            "this process may open {most} files, and limits.connections wants {needed}: raise it (systemd: \
             LimitNOFILE={needed}, shell: ulimit -n {needed}), or lower limits.connections"
        )
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::new(format!("cannot listen on {address}: {error}: choose another address, or stop what uses it"))
    })
}
