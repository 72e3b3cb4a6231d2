//! selkie: how pixels travel between processes without a copy, and what makes that safe.
//!
//! This program parses its arguments, calls a library and prints.

#![deny(unsafe_code)]

mod audit;
mod check;
mod cli;
mod client;
mod compositor;
mod demo;
mod exit;
mod shm;

use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let command = cli.command.unwrap_or_else(|| cli::Command::Demo(cli::DemoArgs::default()));
    // What the demo provokes would be told twice.
    let least = match command {
        cli::Command::Demo(_) => LevelFilter::ERROR,
        // The protocol errors that the Wayland library reports are what is to be seen.
        cli::Command::Check(_) | cli::Command::CheckCase(_) => LevelFilter::OFF,
        cli::Command::Audit(_)
        | cli::Command::Compositor(_)
        | cli::Command::Client(_)
        | cli::Command::Shm(_) => LevelFilter::WARN,
    };
    log(least);
    let outcome = match command {
        cli::Command::Compositor(args) => compositor::run(args),
        cli::Command::Client(args) => client::run(args),
        cli::Command::Audit(args) => audit::run(args),
        cli::Command::Demo(args) => demo::run(args),
        cli::Command::Check(args) => check::run(args),
        cli::Command::Shm(args) => shm::run(args),
        cli::Command::CheckCase(args) => check::run_case(args),
    };
    exit::report(outcome)
}

/// Logs go to standard error, as many as `SELKIE_LOG` asks for (tracing's filters).
fn log(least: LevelFilter) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(least.into())
        .with_env_var("SELKIE_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
