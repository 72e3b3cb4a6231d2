//! `selkie shm posix`.

use clap::{Args, Subcommand};
use selkie_shm::pairs::posix;
use shm_core::posix::Name;

use super::pair::{Byte, Content, Said, Wait, ended, mode, size};
use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct PosixArgs {
    #[command(subcommand)]
    command: PosixCommand,
}

/// The two sides.
#[derive(Debug, Subcommand)]
enum PosixCommand {
    /// Make memory with a name, fill it, wait until somebody has read it, and remove it
    Write(WriteArgs),
    /// Find the memory that `write` has made, and check every byte
    Read(ReadArgs),
}

#[derive(Debug, Args)]
struct WriteArgs {
    /// The name: a slash, and what the file in /dev/shm is called, as in /frames
    name: Name,
    /// Who may read and write it, in octal
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = mode)]
    mode: u32,
    /// Leave it there and wait for nobody: it stays until somebody removes it (`read --remove`, rm), or the machine is shut down
    #[arg(long, conflicts_with = "seconds")]
    keep: bool,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// The name that `write` has given it, with its slash
    name: Name,
    /// How large it has to be at least; no more is read [default: as large as it is]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    size: Option<u64>,
    /// Remove the name afterwards
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    byte: Byte,
    #[command(flatten)]
    said: Said,
}

/// One side of it.
pub fn run(args: PosixArgs) -> Outcome {
    ended(match args.command {
        PosixCommand::Write(WriteArgs { name, mode, keep, content, wait, said }) => {
            let write = posix::Write { content: content.into(), name, mode, keep, patience: wait.into() };
            posix::write(&write, &mut said.trace())?
        }
        PosixCommand::Read(ReadArgs { name, size, remove, byte, said }) => {
            posix::read(&posix::Read { byte: byte.byte, name, size, remove }, &mut said.trace())?
        }
    })
}
