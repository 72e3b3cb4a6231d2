//! `selkie shm seal`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use selkie_shm::seal;
use shm_core::seals::{ParseSealsError, Seals};

use crate::exit::Outcome;

/// Seal some memory, and try everything that a seal may forbid
///
/// Makes a memfd, adds seals to it with fcntl(F_ADD_SEALS), and then really tries each thing that a seal may forbid: to shrink
/// it, to write, to map it. The table says what the manual (fcntl(2), "File Sealing") promises and what this kernel did.
///
/// A seal is a promise that the kernel keeps: it can be added, and never be taken away, by nobody. That is why a program may
/// trust memory that it got from another: with shrink, for instance, no page of it can vanish while it is being read.
#[derive(Debug, Args)]
#[command(after_help = "The exit status is 1 if this kernel does anything else than the manual says.

  selkie shm seal                            no seals: everything is allowed
  selkie shm seal --seals shrink,grow,seal   what a Wayland compositor likes to see
  selkie shm seal --seals write              what is a constant from now on
  selkie shm seal --seals future-write       only mappings made before can write it: a window to look through
  selkie shm seal --all                      every combination, a line each")]
pub struct SealArgs {
    /// The seals: a list of seal, shrink, grow, write, future-write, exec; or none
    #[arg(long, value_name = "SEALS", default_value = "none", value_parser = seals)]
    seals: Seals,
    /// Try every set of them, in one large table
    #[arg(long, conflicts_with = "seals")]
    all: bool,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: an object, or with --all a list of them
    Json,
}

fn seals(text: &str) -> Result<Seals, String> {
    text.parse().map_err(|error: ParseSealsError| error.to_string())
}

/// Tries it, and says what came of it: 1 if that is not what the manual says.
pub fn run(args: SealArgs) -> Outcome {
    let reports = if args.all { seal::try_all_sets()? } else { vec![seal::try_all(args.seals)?] };
    let mut out = std::io::stdout().lock();
    match (args.format, reports.as_slice()) {
        (Format::Table, [report]) => write!(out, "{report}")?,
        (Format::Table, reports) => write!(out, "{}", seal::matrix(reports))?,
        (Format::Json, [report]) => writeln!(out, "{}", serde_json::to_string_pretty(report)?)?,
        (Format::Json, reports) => writeln!(out, "{}", serde_json::to_string_pretty(reports)?)?,
    }
    let agree = reports.iter().all(seal::Report::agrees);
    Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
