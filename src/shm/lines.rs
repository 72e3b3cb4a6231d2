//! `selkie shm produce` and `selkie shm consume`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use selkie_shm::lines::{self, MAX_SLOTS, Name, NameError, Note, Role, Summary};

use crate::exit::Outcome;

/// Give the lines of a file to another process, through a ring in shared memory
///
/// The other is `selkie shm consume`, in another terminal. This one makes POSIX shared memory (shm_open) and two named
/// semaphores (sem_open): one counts the slots that are free, one those that are filled. To fill a slot it waits for a free one (sem_wait), writes there, and counts it as filled (sem_post); the
/// consumer does the same the other way round. Nothing is copied through the kernel, and who has nothing to do sleeps.
///
/// Until the consumer comes, `ls /dev/shm` shows the three names. They are removed as soon as both have everything open.
#[derive(Debug, Args)]
#[command(
    after_help = "Kill either of the two: the other says so, and ends with status 1. If the producer is killed while it waits
for a consumer, its names stay (`selkie shm ls` shows them); the next producer finds out, and removes them.

  selkie shm produce /etc/services &
  selkie shm consume | tail -1"
)]
pub struct ProduceArgs {
    /// The file; - for standard input. Any bytes will do, and lines of any length
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the shared memory: a slash, and then none
    #[arg(long, value_name = "/NAME", default_value_t, value_parser = name)]
    name: Name,
    /// How many slots the ring has, of 1 KiB each; a longer line takes several
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SLOTS)))]
    slots: u32,
}

/// Print the lines that `selkie shm produce` gives, in another terminal
///
/// It may be started first: then it sleeps until there is a producer (inotify tells it). It ends after the last line; or, with
/// status 1, when the producer is killed, after everything that was in the ring.
#[derive(Debug, Args)]
pub struct ConsumeArgs {
    /// The name of the shared memory, as the producer has it
    #[arg(long, value_name = "/NAME", default_value_t, value_parser = name)]
    name: Name,
}

fn name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|error: NameError| error.to_string())
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {path:?}")]
struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// Lines go to standard output, and nothing else does.
fn say(note: Note<'_>) {
    eprintln!("selkie: {note}");
}

fn done(what: &str, summary: Summary, role: Role) -> ExitCode {
    let Summary { peer, lines, bytes } = summary;
    let plural = if lines == 1 { "" } else { "s" };
    eprintln!("selkie: {what} {lines} line{plural} ({bytes} bytes); the {role} was process {}", peer.pid);
    ExitCode::SUCCESS
}

/// Gives away the lines.
pub fn produce(args: ProduceArgs) -> Outcome {
    let input = open(&args.file)?;
    let summary = lines::produce(input, &args.name, args.slots, &mut say)?;
    Ok(done("gave", summary, Role::Consumer))
}

/// Prints the lines.
pub fn consume(args: ConsumeArgs) -> Outcome {
    // The lock of standard output would have a buffer of its own, which flushes at every line.
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let summary = lines::consume(BufWriter::new(output), &args.name, &mut say)?;
    Ok(done("took", summary, Role::Producer))
}

/// Without a buffer: what is in one cannot be waited for with poll(2).
fn open(path: &Path) -> Result<File, OpenError> {
    let opened = if path == Path::new("-") {
        io::stdin().as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(path)
    };
    opened.map_err(|source| OpenError { path: path.to_owned(), source })
}
