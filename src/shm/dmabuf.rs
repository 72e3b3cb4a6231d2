//! `selkie shm dmabuf`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use selkie_shm::pairs::dmabuf::{self, Source};

use super::pair::{Byte, Content, Said, Wait, ended};
use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct DmabufArgs {
    #[command(subcommand)]
    command: DmabufCommand,
}

/// The two sides.
#[derive(Debug, Subcommand)]
enum DmabufCommand {
    /// Make a dma-buf, fill it, and pass it to who connects to a socket
    Export(ExportArgs),
    /// Take the dma-buf that `export` passes on, and check every byte
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The socket to listen at, a path; it is removed at the end
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// What makes it: udmabuf (of a memfd), dma-heap or dma-heap:NAME; auto: the first that there is
    #[arg(long, value_name = "KIND", default_value_t)]
    source: Source,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The socket that `export` listens at
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    #[command(flatten)]
    byte: Byte,
    #[command(flatten)]
    said: Said,
}

/// One side of it.
pub fn run(args: DmabufArgs) -> Outcome {
    ended(match args.command {
        DmabufCommand::Export(ExportArgs { socket, source, content, wait, said }) => {
            let export = dmabuf::Export { content: content.into(), source, socket, patience: wait.into() };
            dmabuf::export(&export, &mut said.trace())?
        }
        DmabufCommand::Import(ImportArgs { socket, byte, said }) => {
            dmabuf::import(&dmabuf::Import { byte: byte.byte, socket }, &mut said.trace())?
        }
    })
}
