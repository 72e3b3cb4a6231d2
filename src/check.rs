//! `selkie check`: what a compositor makes of the memory that clients share with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use selkie_check::case::Case;
use selkie_check::cases;
use selkie_check::format::{self, Changes};
use selkie_check::single::{self, Runner};
use selkie_check::suite::{Report, Suite, SuiteError};
use selkie_check::target::Target;

use crate::cli::{CheckArgs, CheckCaseArgs, ReportFormat};
use crate::exit::{Outcome, chain};

/// What was asked for and cannot be done.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("cannot read {path:?} to compare with")]
    Old { path: PathBuf, source: io::Error },
    #[error("{path:?} is not what `selkie check --format json` writes")]
    OldFormat { path: PathBuf, source: serde_json::Error },
}

/// Runs the suite.
pub fn run(args: CheckArgs) -> Outcome {
    let chosen = choose(&args);
    if args.list {
        return list(&chosen, args.format);
    }
    if args.launch.is_empty() && args.display.is_none() {
        let how = "--launch COMMAND (as in --launch weston) starts one, --display NAME takes one that runs";
        return Ok(wrong_usage(&format!("say which compositor: {how}")));
    }
    let old = args.compare.as_deref().map(older).transpose()?;
    let runner = Runner { program: std::env::current_exe()?, arguments: vec!["check-case".to_owned()] };
    let suite = Suite { cases: chosen, runner, dangerous: args.dangerous };
    // All are started before the first is examined: after minutes it would be late to say that the last does not start.
    let mut targets = Vec::new();
    if let Some(display) = &args.display {
        let Some(socket) = socket(display) else {
            let why = format!("XDG_RUNTIME_DIR is not set, and {display:?} is no path");
            return Ok(wrong_usage(&format!("{why}: give the whole path of the socket")));
        };
        targets.push(Target::running(socket, args.pid, args.patience)?);
    }
    for command in &args.launch {
        targets.push(Target::launch(command, args.patience)?);
    }
    let (mut reports, mut broken_off) = (Vec::new(), false);
    for target in &mut targets {
        let (report, end) = examine(&suite, target);
        reports.push(report);
        if let Err(error) = end {
            eprintln!("selkie: {}", chain(&error));
            broken_off = true;
        }
    }
    let mut out = std::io::stdout().lock();
    if let Some(old) = old {
        let changes = Changes::between(&old, &reports)?;
        writeln!(out, "{changes}\n\n{}", format::summary(&reports))?;
        return Ok(if changes.is_worse() || broken_off { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let text = match args.format {
        ReportFormat::Table => format::table(&reports),
        ReportFormat::Json => format::json(&reports)?,
        ReportFormat::Junit => format::junit(&reports)?,
        ReportFormat::Tap => format::tap(&reports),
        ReportFormat::Markdown => format::markdown(&reports),
    };
    writeln!(out, "{}", text.trim_end())?;
    let bad = broken_off || reports.iter().any(Report::is_bad);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn wrong_usage(sentence: &str) -> ExitCode {
    eprintln!("selkie: {sentence}");
    ExitCode::from(2)
}

/// The results to compare with. They are read first: after minutes it would be late to say that there are none.
fn older(path: &Path) -> Result<Vec<Report>, CheckError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| CheckError::Old { path: path.into(), source })?;
    format::read_json(&text).map_err(|source| CheckError::OldFormat { path: path.into(), source })
}

/// Runs one case, as the process that the suite starts for it.
pub fn run_case(args: CheckCaseArgs) -> Outcome {
    single::main(&args.arguments)?;
    Ok(ExitCode::SUCCESS)
}

/// Progress goes to standard error: a bar on a terminal; elsewhere a line for each case that is not as it should be.
fn examine(suite: &Suite, target: &mut Target) -> (Report, Result<(), SuiteError>) {
    let name = target.name().to_owned();
    let bar = ProgressBar::new(suite.cases.len() as u64);
    // The template is ours and is right; should it not be, there is the bar that comes with the library.
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name.clone());
    let report = suite.run(
        target,
        |begun| bar.set_message(begun.id),
        |result| {
            bar.inc(1);
            if result.verdict.is_bad() {
                let line = format!("{name}: {} {}: {}", result.verdict.word(), result.id, result.verdict);
                if bar.is_hidden() { eprintln!("{line}") } else { bar.println(line) }
            }
        },
    );
    bar.finish_and_clear();
    report
}

/// The cases that were asked for, in the suite's order.
fn choose(args: &CheckArgs) -> Vec<&'static Case> {
    let wanted = |case: &&Case| {
        (args.only.is_empty() && args.group.is_empty())
            || args.only.iter().any(|id| id == case.id)
            || args.group.iter().any(|group| group == case.group())
    };
    cases::all().filter(wanted).collect()
}

fn list(chosen: &[&'static Case], as_: ReportFormat) -> Outcome {
    let mut out = std::io::stdout().lock();
    if as_ == ReportFormat::Json {
        writeln!(out, "{}", format::list_json(chosen))?;
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
fn socket(display: &str) -> Option<PathBuf> {
    if display.starts_with('/') {
        return Some(display.into());
    }
    Some(PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?).join(display))
}

/// For clap: a case's id.
pub fn case(text: &str) -> Result<String, String> {
    let known = cases::all().any(|case| case.id == text);
    if known { Ok(text.to_owned()) } else { Err(format!("there is no case {text:?}: see --list")) }
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
