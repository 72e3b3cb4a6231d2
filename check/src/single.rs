//! One case, in a process of its own.
//!
//! The case may do anything to itself: it runs out of fds, is cut off, or is killed by the case's own doing. The process
//! says on its standard output what the case came to, as one line of JSON.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal};

use crate::case::{Case, Outcome};
use crate::session::Session;

/// How to run one case: this program, and the arguments that make it do so, before those of the case.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The program.
    pub program: PathBuf,
    /// The arguments before those of the case.
    pub arguments: Vec<String>,
}

/// What came of the process.
#[derive(Debug)]
pub enum Ran {
    /// The case came to an end.
    Outcome(Outcome),
    /// It took too long, and was killed.
    TooLong,
}

/// What can go wrong with the process itself; that is nobody's fault but ours, or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error("cannot start the process for case {id}")]
    Start {
        /// The case.
        id: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It ended without saying what came of the case.
    #[error("the process for case {id} ended without a result")]
    NoResult {
        /// The case.
        id: &'static str,
    },
    /// What it said cannot be read.
    #[error("the process for case {id} gave no readable result")]
    Unreadable {
        /// The case.
        id: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Runner {
    /// Runs a case in a process of its own, for as long as it may take.
    ///
    /// # Errors
    ///
    /// [`RunError`]
    pub fn run(&self, case: &Case, session: &Session) -> Result<Ran, RunError> {
        let id = case.id;
        let start = |source| RunError::Start { id, source };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments(id, session));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        shm_core::process::die_with_parent(&mut command);
        let mut child = command.spawn().map_err(start)?;
        let stdout = child.stdout.take();
        let (sender, line) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut text));
            let _ = sender.send(read.is_some_and(|read| read.is_ok()).then_some(text));
        });
        let limit = case.limit * session.times;
        let text = line.recv_timeout(limit);
        // It has said all that there is to say. It is not reaped yet, so the number is still its own.
        let _ = rustix::process::kill_process(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        let _ = reader.join();
        match text {
            Err(_) => Ok(Ran::TooLong),
            Ok(None) => Err(RunError::NoResult { id }),
            Ok(Some(text)) if text.is_empty() => Err(RunError::NoResult { id }),
            Ok(Some(text)) => {
                let outcome =
                    serde_json::from_str(&text).map_err(|source| RunError::Unreadable { id, source })?;
                Ok(Ran::Outcome(outcome))
            }
        }
    }
}

/// The arguments that name a case and where to run it.
fn arguments(id: &str, session: &Session) -> Vec<String> {
    let pid = session.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    vec![id.to_owned(), session.socket.display().to_string(), pid, session.times.to_string()]
}

/// What the process does: runs the case that the arguments name, and says what came of it.
///
/// # Errors
///
/// If the arguments are not such, or the result cannot be written.
pub fn main(arguments: &[String]) -> io::Result<()> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, "not the arguments of a case");
    let [id, socket, pid, times] = arguments else { return Err(usage()) };
    let case = crate::cases::all().find(|case| case.id == id).ok_or_else(usage)?;
    let session = Session {
        socket: PathBuf::from(socket),
        pid: pid.parse().ok(),
        times: times.parse().map_err(|_| usage())?,
    };
    let outcome = (case.run)(&session);
    let mut text = serde_json::to_string(&outcome)?;
    text.push('\n');
    let mut out = io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}
