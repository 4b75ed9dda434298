//! The program: see `entente --help`, and the library's documentation for how it is built.

use std::process::ExitCode;

fn main() -> ExitCode {
    entente::cli::main()
}
