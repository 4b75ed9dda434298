//! The program as a process: commands, and a server that can be killed.

use super::actor::{Actor, Answer, TAXII, read_answer, request};
use super::pki::Identity;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_entente");

/// A folder made by `entente init`, or by `entente demo`.
pub struct Installation {
    pub root: PathBuf,
    _folder: TempDir,
}

/// A server that runs as a process of its own. Killed when dropped.
pub struct Process {
    pub address: SocketAddr,
    child: Child,
}

impl Installation {
    /// A new one for localhost, with nothing in its registry.
    pub fn new() -> Self {
        let this = Self::nothing();
        let output = program(&["init", this.root.to_str().unwrap(), "--host", "localhost", "--host", "127.0.0.1"]);
        assert!(output.status.success(), "{output:?}");
        this
    }

    /// A place for one.
    pub fn nothing() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { root: folder.path().join("server"), _folder: folder }
    }

    /// One with the root `api1`, a collection `all` of everything, and an organisation `org`
    /// with a certificate that may do everything there.
    pub fn furnished() -> Self {
        let this = Self::new();
        this.run(&["root", "add", "api1", "--title", "First"]);
        this.run(&["collection", "add", "api1", "--title", "All", "--alias", "all"]);
        this.run(&["org", "add", "org", "--title", "An organisation"]);
        this.run(&["cert", "issue", "org", "--out", this.path("certs").to_str().unwrap()]);
        this.run(&["grant", "org", "all", "--read", "red", "--write"]);
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn config(&self) -> String {
        self.path("entente.toml").display().to_string()
    }

    /// Runs a command that must succeed; gives what it printed, without the line's end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs a command that must fail with exit code 1; gives what it said about it.
    #[track_caller]
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn try_run(&self, arguments: &[&str]) -> Output {
        program(&[&["-c", self.config().as_str()], arguments].concat())
    }

    /// Starts a server on a free port, and waits until it answers.
    pub fn serve(&self) -> Process {
        Process::start(Command::new(PROGRAM).args([
            "-c",
            &self.config(),
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--ops",
            "off",
        ]))
        .0
    }

    /// A client of an organisation, by the files that `cert issue` made.
    pub fn actor(&self, organisation: &str, address: SocketAddr) -> Actor {
        let pem = self.path("certs").join(format!("{organisation}.pem"));
        let chain = CertificateDer::pem_file_iter(&pem).unwrap().map(Result::unwrap).collect();
        let key = std::fs::read_to_string(pem.with_extension("key")).unwrap();
        let identity =
            Identity { chain, key: KeyPair::from_pem(&key).unwrap(), pem: std::fs::read_to_string(pem).unwrap() };
        let ca = CertificateDer::from_pem_file(self.path("pki/ca.pem")).unwrap();
        Actor::trusting(address, ca, Some(identity))
    }
}

impl Process {
    /// Starts a server, and waits until it answers; gives what it says before that, too.
    pub fn start(command: &mut Command) -> (Self, String) {
        Self::start_with(command.stderr(Stdio::null()))
    }

    /// The same, with its log in a file.
    pub fn start_logging(command: &mut Command, log: &Path) -> (Self, String) {
        Self::start_with(command.stderr(std::fs::File::create(log).unwrap()))
    }

    fn start_with(command: &mut Command) -> (Self, String) {
        // All actors have one address, and make a connection for each request.
        command.env("ENTENTE__LIMITS__HANDSHAKES_PER_MINUTE_PER_ADDRESS", "1000000");
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut process = Self { address: ([127, 0, 0, 1], 0).into(), child };
        let mut said = String::new();
        for line in BufReader::new(process.child.stdout.take().unwrap()).lines().map(Result::unwrap) {
            if let Some(address) = line.strip_prefix("listening on https://") {
                process.address = address.parse().unwrap();
                return (process, said);
            }
            said.push_str(&format!("{line}\n"));
        }
        panic!("no server: {said}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing is finished, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: gives whether it ended well.
    pub fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end.
pub fn program(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

impl Actor {
    /// One request to a server that may die meanwhile.
    pub fn attempt(&self, method: &str, path: &str, body: Option<&str>) -> io::Result<Answer> {
        let mut connection = self.connect()?;
        let headers = [("Accept", TAXII), ("Content-Type", TAXII)];
        connection.write_all(&request(method, path, &headers, body.map(str::as_bytes)))?;
        read_answer(&mut connection, false)
    }
}

/// Makes a file readable by all.
pub fn open_to_all(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
}
