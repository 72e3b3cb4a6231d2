//! Audits: run to their end on a program, or with the test itself as the program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;

use super::process::{Process, RuntimeDir, eventually};

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
    let mut command = command(&dir, options, program);
    // The audited programs' own settings, for those that need one.
    command.env("QT_QPA_PLATFORM", "wayland").env("NO_AT_BRIDGE", "1");
    let audit = finish(Process::spawn_piped("audit", command, dir.path()));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with("selkie-audit")),
        "left behind: {left:?}"
    );
    audit
}

/// `selkie audit --format json` with these options, on a program.
pub fn command(dir: &RuntimeDir, options: &[&str], program: &[&str]) -> Command {
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["audit", "--format", "json"]).args(options).arg("--").args(program);
    command
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

    /// All pools, of whatever program.
    pub fn pools(&self) -> Vec<&Value> {
        let all = self.report["connections"].as_array();
        all.into_iter().flatten().flat_map(|c| c["pools"].as_array().unwrap()).collect()
    }

    /// The pools whose memory has that name, or whose path begins so; there is one at least.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn called(&self, name: &str) -> Vec<&Value> {
        let found = |pool: &&Value| pool["name"].as_str().unwrap().starts_with(name);
        let pools: Vec<&Value> = self.pools().into_iter().filter(found).collect();
        assert!(!pools.is_empty(), "no pool is {name}: {:#}\n{}", self.report, self.log);
        pools
    }
}

/// An audit whose program waits, while the test connects in its place.
pub struct Stand {
    process: Process,
    dir: RuntimeDir,
    socket: PathBuf,
}

impl Stand {
    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(options: &[&str]) -> Self {
        let dir = RuntimeDir::new();
        // It tells its display, and then waits until somebody has opened the pipe and closed it.
        let (display, pipe) = (dir.file("display"), dir.file("pipe"));
        let script =
            "mkfifo \"$1\" && echo \"$WAYLAND_DISPLAY\" >\"$0.new\" && mv \"$0.new\" \"$0\" && cat \"$1\"";
        let program = ["sh", "-c", script, display.to_str().unwrap(), pipe.to_str().unwrap()];
        let mut process = Process::spawn_piped("audit", command(&dir, options, &program), dir.path());
        let name = eventually("the program to run", || {
            process.assert_alive();
            fs::read_to_string(&display).map_err(|e| e.to_string())
        });
        let socket = dir.path().join(name.trim_end());
        Self { process, dir, socket }
    }

    /// Where the program finds its compositor.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Kills the audit, and nothing else.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for the end of an audit that ends by itself.
    ///
    /// # Panics
    /// If it does not come.
    pub fn finish(self) -> Audit {
        finish(self.process)
    }

    /// The audit's process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Has the program end, when the test has closed its connections.
    ///
    /// # Panics
    /// If the audit does not end then.
    pub fn end(self) -> Audit {
        drop(File::options().write(true).open(self.dir.file("pipe")).unwrap());
        finish(self.process)
    }
}
