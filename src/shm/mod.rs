//! `selkie shm`: one file per subcommand.

mod ls;

use clap::{Args, Subcommand};

use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct ShmArgs {
    #[command(subcommand)]
    command: ShmCommand,
}

#[derive(Debug, Subcommand)]
enum ShmCommand {
    /// List every piece of shared memory on this machine, who holds it, and what is left over
    Ls(ls::LsArgs),
}

/// Runs a subcommand.
pub fn run(args: ShmArgs) -> Outcome {
    match args.command {
        ShmCommand::Ls(args) => ls::run(args),
    }
}
