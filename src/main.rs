//! selkie: how pixels travel between processes without a copy, and what makes that safe.
//!
//! This program parses its arguments, calls a library and prints.

#![deny(unsafe_code)]

mod cli;
mod client;
mod compositor;
mod demo;
mod exit;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    log();
    let outcome = match cli.command.unwrap_or_else(|| cli::Command::Demo(cli::DemoArgs::default())) {
        cli::Command::Compositor(args) => compositor::run(args),
        cli::Command::Client(args) => client::run(args),
        cli::Command::Demo(args) => demo::run(args),
    };
    exit::report(outcome)
}

/// Logs go to standard error, as many as `SELKIE_LOG` asks for (tracing's filters).
fn log() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .with_env_var("SELKIE_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
