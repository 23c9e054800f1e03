//! The trainyard binary: parse, wire, serve, drain. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    trainyard::cli::main()
}
