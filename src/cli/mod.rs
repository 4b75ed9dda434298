//! The command line: one file for each command. [`serve`] is where everything is put
//! together. A command prints what it did; an error says what to do.

mod anchor;
mod audit;
mod cert;
mod check;
mod collection;
mod demo;
mod export;
mod files;
mod grant;
mod hold;
mod import;
mod init;
mod list;
mod org;
mod pki;
mod secret;
pub mod serve;
mod validate;
mod whoami;

use crate::access::level::Level;
use crate::clock::Clock;
use crate::config::{self, Ops, Settings};
use crate::exchange::{Administering, plain};
use crate::store::sqlite::Sqlite;
use clap::{Parser, Subcommand};
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Characters of an account's name in the audit trail, at most: what is beside it is not pushed out.
const LONGEST_ACCOUNT: usize = 64;

/// A TAXII 2.1 server: allied CERTs and firms exchange STIX objects over mutual TLS.
#[derive(Debug, Parser)]
#[command(name = "entente", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    /// The settings file of the server that a command works on.
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "entente.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a server with sample organisations and objects, and run it.
    Demo {
        /// The folder to make it in. A demo that is there already is started again as it is.
        #[arg(long, value_name = "DIR", default_value = "demo")]
        dir: PathBuf,
        /// The address to listen on.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
        listen: SocketAddr,
    },
    /// Make a server: settings, a CA, a server certificate, an empty store.
    Init {
        /// The folder to make it in: new, or empty.
        dir: PathBuf,
        /// A name or address that clients connect to; the first stands in URLs.
        #[arg(long = "host", value_name = "NAME", required = true)]
        hosts: Vec<String>,
    },
    /// API roots.
    #[command(subcommand)]
    Root(Root),
    /// Collections.
    #[command(subcommand)]
    Collection(collection::Collection),
    /// Organisations.
    #[command(subcommand)]
    Org(org::Org),
    /// Client certificates.
    #[command(subcommand)]
    Cert(cert::Cert),
    /// Secrets, for clients that cannot present a certificate.
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Certification authorities of members.
    #[command(subcommand)]
    Anchor(anchor::Anchor),
    /// Give an organisation exactly these rights in a collection; without any, take all away.
    Grant(grant::Grant),
    /// Holds: what is kept from whom, and until when.
    #[command(subcommand)]
    Hold(hold::Hold),
    /// The audit trail: verify it, export it, ask it.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Add objects from files: bundles, envelopes, or one object a line.
    Import(import::Import),
    /// Judge the STIX 2.1 objects of files as a collection would: exit 0 if nothing is found, 1 if something is, 2 if a file cannot be read.
    Validate(validate::Validate),
    /// Write all versions of all objects of a collection as a bundle, each as it was received.
    Export {
        /// The collection's alias or id.
        collection: String,
        /// The file to write. Absent: standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Run the server.
    Serve {
        /// The address to listen on, in place of the setting.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// The loopback address of /livez, /readyz and /metrics, or off, in place of the setting.
        #[arg(long, value_name = "ADDR|off")]
        ops: Option<Ops>,
    },
    /// Look over settings, keys and store: what is wrong, and how to mend it.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a server what it knows about you: organisation, credential, rights, and why.
    Whoami(whoami::Whoami),
    /// Show roots, collections, organisations, grants and certificates.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Root {
    /// Add an API root: it answers at /NAME/.
    Add {
        /// Its path: one or more segments, such as `api1` or `taxii2/api1`.
        name: String,
        /// Its name for people.
        #[arg(long)]
        title: String,
    },
}

/// Why a command failed: what is wrong, and what to do.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs the program: exit code 0 if all went well, 1 if not, 2 if the command was not understood, 130 if
/// an import was interrupted.
pub fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(Failure(reason)) => {
            // Without standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "entente: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let config = arguments.config.as_path();
    let done = match arguments.command {
        Command::Demo { dir, listen } => demo::run(&dir, listen),
        Command::Init { dir, hosts } => init::run(&dir, &hosts),
        Command::Root(Root::Add { name, title }) => add_root(&open(config)?.1, &name, &title),
        Command::Collection(command) => command.run(&open(config)?.1),
        Command::Org(command) => command.run(&open(config)?.1),
        Command::Cert(command) => open(config).and_then(|(settings, admin)| command.run(&settings, &admin)),
        Command::Secret(command) => open(config).and_then(|(settings, admin)| command.run(&settings, &admin)),
        Command::Anchor(command) => open(config).and_then(|(settings, admin)| command.run(&settings, &admin)),
        Command::Grant(command) => command.run(&open(config)?.1),
        Command::Hold(command) => command.run(&open(config)?.1),
        Command::Audit(command) => return command.run(config),
        Command::Import(command) => return open(config).and_then(|(settings, admin)| command.run(&settings, &admin)),
        Command::Validate(command) => return Ok(command.run()),
        Command::Export { collection, out } => export::run(&open(config)?.1, &collection, out.as_deref()),
        Command::Serve { listen, ops } => serve::run(settings(config)?, listen, ops),
        Command::Check { json } => return check::run(config, json),
        Command::Whoami(command) => command.run(),
        Command::List { json } => list::run(&open(config)?.1, json),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn add_root(admin: &Administering, name: &str, title: &str) -> Result<(), Failure> {
    admin.add_root(name, title)?;
    say(&format!("added the API root /{name}/: add collections to it, and grants"))
}

fn settings(config: &Path) -> Result<Settings, Failure> {
    Ok(config::load(config, environment())?)
}

/// The environment's variables. One that is not UTF-8 is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings, and the operator's capability on their store.
fn open(config: &Path) -> Result<(Settings, Administering), Failure> {
    let settings = settings(config)?;
    let store = Sqlite::open(&settings.server.data, Clock::system())?;
    pki::audit_signer(&settings.server.pki)?.into_iter().for_each(|signer| store.sign_with(signer));
    let admin = Administering::new(Arc::new(store), Clock::system(), settings.taxii.clone(), &operator())?;
    Ok((settings, admin))
}

/// Who runs this, for the audit trail: whatever the account is called, it is not taken for the server.
/// The name is what the environment says, the number is what the kernel says.
fn operator() -> String {
    let account = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).or_else(|_| std::env::var("LOGNAME"));
    let account = plain(account.as_deref().unwrap_or("unnamed"), LONGEST_ACCOUNT);
    let uid = fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| process.uid().to_string());
    format!("operator {account} (uid {uid})")
}

/// Prints one line on standard output.
fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Prints one line on standard error.
fn warn(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

fn say_json(value: &serde_json::Value) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(value)?)
}

fn level(text: &str) -> Result<Level, String> {
    text.parse().map_err(|error: crate::access::level::NotALevel| error.to_string())
}
