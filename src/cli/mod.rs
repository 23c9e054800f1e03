//! The command line.

pub mod client;
pub mod demo;
mod serve;
pub mod submit;
pub mod table;
mod upkeep;
pub mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Training as a service: POST a dataset and a job, get cross-validated models and predictions.
#[derive(Debug, Parser)]
#[command(name = "trainyard", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(Box<serve::ServeArgs>),
    /// Run one whole story on generated data, in a server of its own.
    Demo(demo::DemoArgs),
    /// Submit a job to a server, and follow it.
    Submit(submit::SubmitArgs),
    /// Write the database and all that it names to a new folder, while the server works.
    Backup(upkeep::BackupArgs),
    /// Check what is stored: the database, and every byte of the datasets and models.
    Fsck(upkeep::Stored),
    /// Print the API's document as YAML.
    Openapi,
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(&args),
        Command::Submit(args) => submit::run(&args, &mut std::io::stdout(), &mut std::io::stderr()),
        Command::Backup(args) => upkeep::backup(&args),
        Command::Fsck(stored) => upkeep::fsck(&stored),
        Command::Openapi => openapi(),
    }
}

fn openapi() -> ExitCode {
    use std::io::Write;
    match crate::http::openapi::yaml() {
        Ok(text) if std::io::stdout().write_all(text.as_bytes()).is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
