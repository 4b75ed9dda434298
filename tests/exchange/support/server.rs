//! A server to test, with the organisations and collections that the checklist speaks of.

use super::actor::Actor;
use super::objects::{envelope, indicator, versioned};
use super::pki::{Ca, Identity};
use entente::access::credential::{Secret, network};
use entente::access::level::Level;
use entente::access::permission::CollectionKey;
use entente::access::proof::certificate::Certificate;
use entente::cli::serve::{Running, start_on};
use entente::clock::Clock;
use entente::config::{Ops, Settings};
use entente::exchange::{Administering, Rights};
use entente::stix::finding::Profile;
use entente::stix::head::Spec;
use entente::store::Store;
use entente::store::memory::Memory;
use entente::store::registry::{Collection, Rule, Rules};
use entente::store::sqlite::Sqlite;
use entente::taxii::timestamp::Timestamp;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Read and write, for the writer.
pub const RW: &str = "378e5de7-84a4-45e4-8a34-c02a43d0b657";
/// Read only, for the writer.
pub const RO: &str = "253900d3-b9dd-46df-8184-469380fae6d2";
/// Write only, for the writer.
pub const WO: &str = "1105e147-e4c1-4566-8fb1-1046d181fbf8";
/// Neither, for the writer, who may know of it.
pub const NO: &str = "9cfa669c-ee94-4ece-afd2-f8edac37d8fd";
/// Readable, without objects.
pub const EMPTY: &str = "52892447-4d7e-4f70-b94d-d7f22742ff63";
/// No such collection.
pub const MISSING: &str = "d021ecc8-ab8e-41ab-815e-911c7e329f88";
/// Holds STIX 2.0 and 2.1.
pub const BOTH: &str = "64993447-4d7e-4f70-b94d-d7f33742ee63";
/// In the second API root, for the manager only.
pub const OTHER: &str = "0c455dd5-3fb5-4f7b-a8a0-1f9a0d0e7c11";

/// A running server. Stopped when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub ops: Option<SocketAddr>,
    /// Where the fallback listener is, if the settings have one.
    pub fallback: Option<SocketAddr>,
    pub ca: Ca,
    pub directory: TempDir,
    pub store: Arc<dyn Store>,
    pub admin: Administering,
    settings: Settings,
    clock: Clock,
    running: Option<Running>,
}

/// How a server is to be.
pub struct Setup {
    pub settings: Settings,
    pub clock: Clock,
    pub in_memory: bool,
}

/// What a secret is good for.
#[derive(Clone, Copy)]
pub struct Terms {
    pub collections: &'static [&'static str],
    pub ceiling: Level,
    pub write: bool,
    pub from: &'static [&'static str],
}

impl Default for Terms {
    fn default() -> Self {
        Self { collections: &[RW], ceiling: Level::Green, write: false, from: &["127.0.0.1"] }
    }
}

impl Setup {
    /// With a fallback listener, which also takes secrets in the header `X-API-Key`.
    pub fn with_fallback() -> Self {
        let mut setup = Self::default();
        setup.settings.fallback.listen = Some(([127, 0, 0, 1], 0).into());
        setup.settings.fallback.header = Some("X-API-Key".to_owned());
        setup
    }
}

impl Default for Setup {
    fn default() -> Self {
        let mut settings = Settings::default();
        // All actors have one address, and most make a connection for each request.
        settings.limits.handshakes_per_minute_per_address = 1_000_000;
        Self { settings, clock: Clock::system(), in_memory: false }
    }
}

impl Server {
    /// A server with nothing in its registry.
    pub fn bare(setup: Setup) -> Self {
        let Setup { mut settings, clock, in_memory } = setup;
        let directory = tempfile::tempdir().unwrap();
        let (data, pki) = (directory.path().join("data"), directory.path().join("pki"));
        std::fs::create_dir_all(&data).unwrap();
        let ca = Ca::new("Test CA");
        ca.write_server(&pki);
        let store: Arc<dyn Store> = if in_memory {
            Arc::new(Memory::new(clock.clone()))
        } else {
            Arc::new(Sqlite::create(&data, clock.clone()).unwrap())
        };
        settings.server.hosts = vec!["localhost".to_owned()];
        settings.server.listen = ([127, 0, 0, 1], 0).into();
        settings.server.ops = Ops::On(([127, 0, 0, 1], 0).into());
        settings.server.data = data;
        settings.server.pki = pki;
        settings.limits.workers = 2;
        // A machine that runs all tests at once is slow.
        settings.limits.writer_seconds = 30;
        let admin = Administering::new(Arc::clone(&store), clock.clone(), settings.taxii.clone(), "tester").unwrap();
        let running = start_on(&settings, clock.clone(), Arc::clone(&store), None).unwrap();
        let (address, ops, fallback) = (running.address, running.ops, running.fallback);
        Self { address, ops, fallback, ca, directory, store, admin, settings, clock, running: Some(running) }
    }

    /// The checklist's server: the roots `api1` and `second/root`, the collections above. The
    /// `writer` has the rights that their names say; the `reader` reads them up to GREEN, the
    /// `manager` reads up to RED and manages; the `outsider` has no grant; the `stranger`'s
    /// certificate is valid and not registered.
    pub fn start() -> Self {
        Self::with(Setup::default())
    }

    /// The same, set up differently.
    pub fn with(setup: Setup) -> Self {
        let server = Self::bare(setup);
        let admin = &server.admin;
        admin.add_root("api1", "First").unwrap();
        admin.add_root("second/root", "Second").unwrap();
        for (id, alias, title) in [
            (RW, "rw", "Read and write"),
            (RO, "ro", "Read only"),
            (WO, "wo", "Write only"),
            (NO, "no", "No access"),
            (EMPTY, "empty", "Empty"),
        ] {
            server.add_collection("api1", id, alias, title, &[Spec::V21]);
        }
        server.add_collection("api1", BOTH, "both", "STIX 2.0 and 2.1", &[Spec::V20, Spec::V21]);
        server.add_collection("second/root", OTHER, "other", "Other", &[Spec::V21]);
        for organisation in ["reader", "writer", "manager", "outsider"] {
            admin.add_organisation(organisation, organisation).unwrap();
        }
        let rights = |read, write, manage| Some(Rights { read, write, manage, relay: true });
        for collection in [RW, RO, WO, NO, EMPTY, BOTH] {
            admin.grant("reader", collection, rights(Some(Level::Green), false, false)).unwrap();
        }
        for collection in [RW, RO, WO, NO, EMPTY, BOTH, OTHER] {
            admin.grant("manager", collection, rights(Some(Level::Red), true, true)).unwrap();
        }
        for (collection, read, write) in [
            (RW, true, true),
            (RO, true, false),
            (WO, false, true),
            (NO, false, false),
            (EMPTY, true, true),
            (BOTH, true, true),
        ] {
            admin.grant("writer", collection, rights(read.then_some(Level::Green), write, false)).unwrap();
        }
        server
    }

    /// The checklist's server with its seed in RW, pushed by the writer: indicators 1 to 7, one
    /// a request, but the third is a malware with versions 1, 2, 3.
    pub fn seeded() -> Self {
        let server = Self::start();
        let writer = server.actor("writer");
        for n in [1, 2, 3, 4, 5, 6, 7] {
            let versions = if n == 3 { 1..=3 } else { 1..=1 };
            for version in versions {
                let object = if n == 3 { versioned("malware", n, version, "") } else { indicator(n, version) };
                writer.post(&objects(RW), &envelope(&[object])).must_be(202);
            }
        }
        server
    }

    pub fn add_collection(&self, root: &str, id: &str, alias: &str, title: &str, specs: &[Spec]) {
        let collection = Collection {
            key: CollectionKey(0),
            id: id.to_owned(),
            root: root.to_owned(),
            title: title.to_owned(),
            description: None,
            alias: Some(alias.to_owned()),
            rules: Rules::default(),
            specs: specs.to_vec(),
            created: Timestamp::EPOCH,
        };
        self.admin.add_collection(collection).unwrap();
    }

    /// The same server, all of whose collections judge by the profile lenient: for objects that
    /// the standard does not allow and a server must handle all the same.
    #[must_use]
    pub fn lenient(self) -> Self {
        self.judging_by(Profile::Lenient)
    }

    /// The same server, all of whose collections judge by a profile.
    #[must_use]
    pub fn judging_by(self, profile: Profile) -> Self {
        for collection in self.admin.overview().unwrap().registry.collections {
            self.admin.set_rules(&collection.id, &[Rule::Profile(profile)]).unwrap();
        }
        self
    }

    /// A client of an organisation, with a fresh certificate that is registered for it.
    pub fn actor(&self, organisation: &str) -> Actor {
        let identity = self.ca.client(organisation);
        self.register(organisation, &identity);
        self.actor_with(Some(identity))
    }

    /// A client whose certificate is valid and registered for nobody.
    pub fn stranger(&self) -> Actor {
        self.actor_with(Some(self.ca.client("stranger")))
    }

    /// A client with this certificate, or none.
    pub fn actor_with(&self, identity: Option<Identity>) -> Actor {
        Actor::new(self.address, &self.ca, identity)
    }

    pub fn register(&self, organisation: &str, identity: &Identity) {
        let certificate = Certificate::read(&identity.chain[0]).unwrap();
        self.admin.register(organisation, &certificate).unwrap();
    }

    /// A new secret of an organisation with these terms, which counts for a day.
    pub fn secret(&self, organisation: &str, terms: &Terms) -> String {
        let key = |id: &&str| self.admin.collection(id).unwrap().key;
        let terms = Secret {
            hash: [0; 32],
            addresses: terms.from.iter().map(|text| network(text).unwrap()).collect(),
            ceiling: terms.ceiling,
            collections: terms.collections.iter().map(key).collect(),
            write: terms.write,
        };
        let ends = self.admin.now().plus_seconds(86_400);
        self.admin.add_secret(organisation, terms, "a test's", ends).unwrap().0
    }

    /// A client of the fallback listener.
    pub fn without_certificate(&self) -> Actor {
        Actor::new(self.fallback.unwrap(), &self.ca, None)
    }

    /// Status line and body of one plain request to the operator's listener.
    pub fn ask_ops(&self, request: &str) -> (String, String) {
        let mut socket = TcpStream::connect(self.ops.unwrap()).unwrap();
        write!(socket, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// What the server counts.
    pub fn metrics(&self) -> String {
        self.ask_ops("GET /metrics").1
    }

    /// Has the server read its keys, certificates and revocation lists now; gives whether it could use them.
    pub fn reread(&self) -> bool {
        self.running.as_ref().unwrap().tls.look(true).unwrap()
    }

    pub fn pki(&self) -> PathBuf {
        self.directory.path().join("pki")
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Stops the server and starts it again on the same store, at another port.
    pub fn restart(&mut self) {
        self.stop();
        let running = start_on(&self.settings, self.clock.clone(), Arc::clone(&self.store), None).unwrap();
        (self.address, self.ops, self.fallback) = (running.address, running.ops, running.fallback);
        self.running = Some(running);
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(running.stop.drain());
            running.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// The path of a collection in the first root.
pub fn collection(id: &str) -> String {
    format!("/api1/collections/{id}/")
}

/// The path of its objects.
pub fn objects(id: &str) -> String {
    format!("/api1/collections/{id}/objects/")
}

/// The path of its manifest.
pub fn manifest(id: &str) -> String {
    format!("/api1/collections/{id}/manifest/")
}

/// The path of one of its objects.
pub fn object(id: &str, object: &str) -> String {
    format!("/api1/collections/{id}/objects/{object}/")
}

/// The path of the versions of one of its objects.
pub fn versions(id: &str, object: &str) -> String {
    format!("/api1/collections/{id}/objects/{object}/versions/")
}
