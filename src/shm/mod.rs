//! `selkie shm`: Linux's ways to share memory, to try, to look at and to measure. A subcommand, a file.

mod bench;
mod dmabuf;
mod ls;
mod memfd;
mod pair;
mod posix;
mod sysv;
//! `selkie shm`: the ways to share memory, tried. A subcommand, a file.

mod lines;
mod seal;

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
    /// List every piece of shared memory on this machine, who holds it, and what is left over
    Ls(ls::LsArgs),
    /// Measure what it costs to get a message to another process, by everything that Linux has for it
    Bench(bench::BenchArgs),
    /// The other process of `bench`
    #[command(hide = true)]
    BenchPeer,
// What each does is said where its arguments are.
#[derive(Debug, Subcommand)]
enum ShmCommand {
    Seal(seal::SealArgs),
    Produce(lines::ProduceArgs),
    Consume(lines::ConsumeArgs),
}

/// Runs one of them.
pub fn run(args: ShmArgs) -> Outcome {
    match args.command {
        ShmCommand::Sysv(args) => sysv::run(args),
        ShmCommand::Posix(args) => posix::run(args),
        ShmCommand::Memfd(args) => memfd::run(args),
        ShmCommand::Dmabuf(args) => dmabuf::run(args),
        ShmCommand::Ls(args) => ls::run(args),
        ShmCommand::Bench(args) => bench::run(args),
        ShmCommand::BenchPeer => bench::peer(),
        ShmCommand::Seal(args) => seal::run(args),
        ShmCommand::Produce(args) => lines::produce(args),
        ShmCommand::Consume(args) => lines::consume(args),
    }
}
