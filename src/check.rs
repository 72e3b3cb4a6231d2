//! `selkie check`: what a compositor makes of the memory that clients share with it.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use selkie_check::case::Case;
use selkie_check::cases;
use selkie_check::single::{self, Runner};
use selkie_check::suite::{Report, Suite};
use selkie_check::target::Target;

use crate::cli::{CheckArgs, CheckCaseArgs, ReportFormat};
use crate::exit::Outcome;

/// What was asked for and cannot be done.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("there is no case {0:?}: `selkie check --list` has them all")]
    NoSuchCase(String),
    #[error(
        "say which compositor: --launch COMMAND (as in --launch weston) starts one, --display NAME takes one that runs"
    )]
    NoTarget,
    #[error("XDG_RUNTIME_DIR is not set, and {0:?} is no path: give the whole path of the socket")]
    NoRuntimeDir(String),
}

/// Runs the suite.
pub fn run(args: CheckArgs) -> Outcome {
    let chosen = choose(&args)?;
    if args.list {
        return list(&chosen, args.format);
    }
    if args.launch.is_empty() && args.display.is_none() {
        return Err(CheckError::NoTarget.into());
    }
    let runner = Runner { program: std::env::current_exe()?, arguments: vec!["check-case".to_owned()] };
    let suite = Suite { cases: chosen, runner, dangerous: args.dangerous };
    let mut reports = Vec::new();
    if let Some(display) = &args.display {
        let mut target = Target::running(socket(display)?, args.pid, args.patience)?;
        reports.push(examine(&suite, &mut target)?);
    }
    for command in &args.launch {
        let mut target = Target::launch(command, args.patience)?;
        reports.push(examine(&suite, &mut target)?);
    }
    let mut out = std::io::stdout().lock();
    match args.format {
        ReportFormat::Table => writeln!(out, "{}", selkie_check::format::table(&reports))?,
        ReportFormat::Json => writeln!(out, "{}", selkie_check::format::json(&reports))?,
    }
    let bad = reports.iter().any(Report::is_bad);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs one case, as the process that the suite starts for it.
pub fn run_case(args: CheckCaseArgs) -> Outcome {
    single::main(&args.arguments)?;
    Ok(ExitCode::SUCCESS)
}

/// Progress goes to standard error: a line that is written over on a terminal; elsewhere a line for each case that is not
/// as it should be.
fn examine(suite: &Suite, target: &mut Target) -> Result<Report, Box<dyn std::error::Error>> {
    let name = target.name().to_owned();
    let (terminal, count, mut number) = (std::io::stderr().is_terminal(), suite.cases.len(), 0);
    let report = suite.run(target, |case, result| {
        number += 1;
        let bad = result.verdict.is_bad();
        let line = format!("{name} {number}/{count} {} {}", result.verdict.word(), case.id);
        match (terminal, bad) {
            (true, false) => eprint!("\r\x1b[K{line}"),
            (true, true) => eprintln!("\r\x1b[K{line}: {}", result.verdict),
            (false, true) => eprintln!("{line}: {}", result.verdict),
            (false, false) => {}
        }
    });
    if terminal {
        eprint!("\r\x1b[K");
    }
    Ok(report?)
}

/// The cases that were asked for, in the suite's order.
fn choose(args: &CheckArgs) -> Result<Vec<&'static Case>, CheckError> {
    let known: HashSet<&str> = cases::all().map(|case| case.id).collect();
    if let Some(unknown) = args.only.iter().find(|id| !known.contains(id.as_str())) {
        return Err(CheckError::NoSuchCase(unknown.clone()));
    }
    let wanted = |case: &&Case| {
        (args.only.is_empty() && args.group.is_empty())
            || args.only.iter().any(|id| id == case.id)
            || args.group.iter().any(|group| group == case.group())
    };
    Ok(cases::all().filter(wanted).collect())
}

fn list(chosen: &[&'static Case], format: ReportFormat) -> Outcome {
    let mut out = std::io::stdout().lock();
    if format == ReportFormat::Json {
        writeln!(out, "{}", selkie_check::format::list_json(chosen))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (group, about, _) in cases::GROUPS {
        let of_it: Vec<_> = chosen.iter().filter(|case| case.group() == group).collect();
        if of_it.is_empty() {
            continue;
        }
        writeln!(out, "{group}: {about}\n")?;
        for case in of_it {
            writeln!(out, "  {}\n    does   {}\n    must   {}", case.id, case.does, case.must)?;
            writeln!(out, "    says   {}\n    why    {}", case.reference, case.matters)?;
            if let Some(danger) = case.danger {
                writeln!(out, "    danger {danger}")?;
            }
            writeln!(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a socket, given as in `WAYLAND_DISPLAY`.
fn socket(display: &str) -> Result<PathBuf, CheckError> {
    if display.starts_with('/') {
        return Ok(display.into());
    }
    let dir =
        std::env::var_os("XDG_RUNTIME_DIR").ok_or_else(|| CheckError::NoRuntimeDir(display.to_owned()))?;
    Ok(PathBuf::from(dir).join(display))
}

/// For clap: a group's name.
pub fn group(text: &str) -> Result<String, String> {
    let names: Vec<&str> = cases::GROUPS.iter().map(|(name, ..)| *name).collect();
    if names.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("the groups are {}", names.join(", ")))
    }
}
