//! `selkie shm memfd`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selkie_shm::pairs::memfd;
use shm_core::peer::PeerFd;

use super::pair::{Byte, Content, Said, Wait, ended};
use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct MemfdArgs {
    #[command(subcommand)]
    command: MemfdCommand,
}

/// The two sides.
#[derive(Debug, Subcommand)]
enum MemfdCommand {
    /// Make sealed memfds, and pass them to who connects to a socket, all in one message (SCM_RIGHTS)
    Send(SendArgs),
    /// Take the memfds that `send` passes on, and check every byte
    Recv(RecvArgs),
    /// Make a sealed memfd, and say where another process finds it: /proc/PID/fd/N
    Export(ExportArgs),
    /// Look up a memfd in the process that has it, and check every byte
    Open(OpenArgs),
}

#[derive(Debug, Args)]
struct SendArgs {
    /// The socket to listen at, a path; it is removed at the end
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// How many; the second is full of the next byte, and so on
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=253))]
    count: u8,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct RecvArgs {
    /// The socket that `send` listens at
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    #[command(flatten)]
    byte: Byte,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct OpenArgs {
    /// The process that has it
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
    /// The number of its fd
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    fd: i32,
    /// Take the very fd that it has (pidfd_getfd), rather than to open /proc/PID/fd/N anew
    #[arg(long)]
    pidfd: bool,
    #[command(flatten)]
    byte: Byte,
    #[command(flatten)]
    said: Said,
}

/// One side of it.
pub fn run(args: MemfdArgs) -> Outcome {
    ended(match args.command {
        MemfdCommand::Send(SendArgs { socket, count, content, wait, said }) => {
            let send = memfd::Send { content: content.into(), count, socket, patience: wait.into() };
            memfd::send(&send, &mut said.trace())?
        }
        MemfdCommand::Recv(RecvArgs { socket, byte, said }) => {
            memfd::receive(&memfd::Receive { byte: byte.byte, socket }, &mut said.trace())?
        }
        MemfdCommand::Export(ExportArgs { content, wait, said }) => {
            let export = memfd::Export { content: content.into(), patience: wait.into() };
            memfd::export(&export, &mut said.trace())?
        }
        MemfdCommand::Open(OpenArgs { pid, fd, pidfd, byte, said }) => {
            let open = memfd::Open { byte: byte.byte, peer: PeerFd { pid, fd }, take: pidfd };
            memfd::open(&open, &mut said.trace())?
        }
    })
}
