//! `selkie audit`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use selkie_audit::{Behind, Config};

use crate::cli::{AuditArgs, AuditFormat};
use crate::exit::Outcome;

/// Runs the program, and says what it shared: 1 if the policy would have refused it.
pub fn run(args: AuditArgs) -> Outcome {
    let behind = if args.proxy {
        Behind::Session
    } else {
        Behind::Selkie { executable: std::env::current_exe()?, visible: args.visible }
    };
    let config = Config {
        command: args.command,
        behind,
        time: args.seconds.map(Duration::from_secs_f64),
        frames: args.frames,
        policy: args.policy,
    };
    let report = selkie_audit::run(&config)?;
    let mut out = std::io::stdout().lock();
    match args.format {
        AuditFormat::Table => write!(out, "{report}")?,
        AuditFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(if report.refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
