//! Audits, run to their end.

use std::process::ExitStatus;

use serde_json::Value;

use super::process::{Process, RuntimeDir};

/// What came of one.
pub struct Audit {
    /// How selkie ended.
    pub status: ExitStatus,
    /// The report; null if there is none.
    pub report: Value,
    /// What it and the program said on standard error.
    pub log: String,
}

/// Runs `selkie audit --format json` with these options on a program, in a session of its own.
///
/// # Panics
/// If it does not end.
pub fn audit(options: &[&str], program: &[&str]) -> Audit {
    let dir = RuntimeDir::new();
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["audit", "--format", "json"]).args(options).arg("--").args(program);
    finish(Process::spawn_piped("audit", command, dir.path()))
}

/// Waits for the end of one that was started with standard output as a pipe.
///
/// # Panics
/// If it does not come.
pub fn finish(mut process: Process) -> Audit {
    let (status, text) = process.wait_for_output();
    let report = serde_json::from_str(&text).unwrap_or_default();
    Audit { status, report, log: process.log() }
}

impl Audit {
    /// The connections of the program of that name.
    pub fn connections(&self, program: &str) -> Vec<&Value> {
        let all = self.report["connections"].as_array();
        all.into_iter().flatten().filter(|c| c["program"] == program).collect()
    }

    /// All pools of the program of that name.
    pub fn pools(&self, program: &str) -> Vec<&Value> {
        let connections = self.connections(program).into_iter();
        connections.flat_map(|c| c["pools"].as_array().into_iter().flatten()).collect()
    }
}
