//! `selkie compositor`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use selkie_compositor::buffer::Policies;
use selkie_compositor::{BackendKind, Compositor, Config, Ended, Import, Remote};

use crate::cli::{BackendArg, CompositorArgs, DmabufArg, ImportArg};
use crate::exit::Outcome;

/// Runs a compositor until it is told to stop, its frames are shown, or its command has ended.
pub fn run(args: CompositorArgs) -> Outcome {
    if args.die_with_parent {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    let command = args.command.clone();
    let fds = getrlimit(Resource::Nofile);
    let compositor = Compositor::start(config(args))?;
    let name = compositor.socket_name().to_owned();
    // Printed when clients can connect, for scripts that wait for it; a closed pipe is no reason
    // to end.
    let mut out = io::stdout();
    let _ = writeln!(out, "WAYLAND_DISPLAY={}", name.to_string_lossy()).and_then(|()| out.flush());
    let child = spawn(&command, &name, fds)?.map(|child| watch(child, compositor.remote()));
    let outcome = compositor.run();
    let status = child.map(Watched::end).transpose()?;
    // If the compositor ended first, its command lost its display, and how it ended says nothing.
    Ok(match (outcome?.ended, status) {
        (Ended::Asked, Some(status)) => exit_code(status),
        _ => ExitCode::SUCCESS,
    })
}

fn config(args: CompositorArgs) -> Config {
    let mut policies = Policies::new(args.policy);
    for (program, policy) in args.policy_for {
        policies.except(program, policy);
    }
    Config {
        backend: match args.backend {
            BackendArg::Auto => BackendKind::Auto,
            BackendArg::Wayland => BackendKind::Wayland,
            BackendArg::Headless => BackendKind::Headless,
        },
        socket: args.socket,
        size: args.size,
        refresh_hz: args.refresh,
        policies,
        dmabuf: match args.dmabuf {
            DmabufArg::Auto => None,
            DmabufArg::On => Some(true),
            DmabufArg::Off => Some(false),
        },
        compose: args.compose,
        import: match args.import {
            ImportArg::Auto => Import::Auto,
            ImportArg::Always => Import::Always,
            ImportArg::Never => Import::Never,
        },
        capture: args.capture,
        screencopy: args.screencopy,
        record: args.record,
        frames: args.frames,
        report: args.report,
        stop_on_signals: true,
        ..Config::default()
    }
}

/// A command that could not be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program:?}: is it installed, and spelled right?")]
struct SpawnError {
    program: OsString,
    source: io::Error,
}

/// Starts the command, with the limit of open files that this program was started with: select(2)
/// cannot deal with the many that a compositor wants.
fn spawn(command: &[OsString], display: &OsStr, fds: Rlimit) -> Result<Option<Child>, SpawnError> {
    let Some((program, args)) = command.split_first() else { return Ok(None) };
    let raised = getrlimit(Resource::Nofile);
    // A soft limit may be set to anything up to the hard one, which nobody changes.
    let _ = setrlimit(Resource::Nofile, fds);
    let spawned =
        Command::new(program).args(args).env("WAYLAND_DISPLAY", display).env_remove("WAYLAND_SOCKET").spawn();
    let _ = setrlimit(Resource::Nofile, raised);
    spawned.map(Some).map_err(|source| SpawnError { program: program.clone(), source })
}

/// A command that runs; the compositor ends with it.
struct Watched {
    pid: rustix::process::Pid,
    waiter: std::thread::JoinHandle<io::Result<ExitStatus>>,
}

fn watch(mut child: Child, remote: Remote) -> Watched {
    let pid = rustix::process::Pid::from_child(&child);
    let waiter = std::thread::spawn(move || {
        let status = child.wait();
        remote.stop();
        status
    });
    Watched { pid, waiter }
}

impl Watched {
    /// Its status; if it still runs, it is told to end.
    fn end(self) -> io::Result<ExitStatus> {
        if !self.waiter.is_finished() {
            // The waiter has yet to take its status, so the number is still its own; if it does so
            // right now, the signal reaches nobody.
            let _ = rustix::process::kill_process(self.pid, rustix::process::Signal::TERM);
        }
        self.waiter.join().unwrap_or_else(|_| Err(io::Error::other("the waiting thread panicked")))
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    // As shells do: 128 and the signal's number.
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
