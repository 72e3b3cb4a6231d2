//! `selkie shm`: Linux's ways to share memory, to try, to look at and to measure. A subcommand, a file.

mod bench;
mod dmabuf;
mod lines;
mod ls;
mod memfd;
mod pair;
mod posix;
mod seal;
mod sysv;

use clap::{Args, Subcommand};

use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct ShmArgs {
    #[command(subcommand)]
    command: ShmCommand,
}

#[derive(Debug, Subcommand)]
enum ShmCommand {
    /// Share a System V segment: memory that is found by a number (shmget, shmat)
    Sysv(sysv::SysvArgs),
    /// Share POSIX memory: memory that is found by a name, in /dev/shm (shm_open, mmap)
    Posix(posix::PosixArgs),
    /// Share a memfd: memory without a name, passed on as an fd (memfd_create, SCM_RIGHTS, /proc/PID/fd)
    Memfd(memfd::MemfdArgs),
    /// Share a dma-buf: memory for devices, passed on as an fd (udmabuf, dma-heaps, DMA_BUF_IOCTL_SYNC)
    Dmabuf(dmabuf::DmabufArgs),
    /// Seal some memory, and try everything that seals may forbid
    Seal(seal::SealArgs),
    /// List every piece of shared memory on this machine, who holds it, and what is left over
    Ls(ls::LsArgs),
    /// Give the lines of a file to another process, through a ring in shared memory
    Produce(lines::ProduceArgs),
    /// Print the lines that `produce` gives
    Consume(lines::ConsumeArgs),
    /// Measure what it costs to get a message to another process, by everything that Linux has for it
    Bench(bench::BenchArgs),
    /// The other process of `bench`
    #[command(hide = true)]
    BenchPeer,
}

/// Runs one of them.
pub fn run(args: ShmArgs) -> Outcome {
    match args.command {
        ShmCommand::Sysv(args) => sysv::run(args),
        ShmCommand::Posix(args) => posix::run(args),
        ShmCommand::Memfd(args) => memfd::run(args),
        ShmCommand::Dmabuf(args) => dmabuf::run(args),
        ShmCommand::Seal(args) => seal::run(args),
        ShmCommand::Ls(args) => ls::run(args),
        ShmCommand::Produce(args) => lines::produce(args),
        ShmCommand::Consume(args) => lines::consume(args),
        ShmCommand::Bench(args) => bench::run(args),
        ShmCommand::BenchPeer => bench::peer(),
    }
}
