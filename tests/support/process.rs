//! Child processes that cannot outlive their test: each leads a process group that is killed when its
//! handle is dropped, dies with the test if that is killed itself, and keeps what it said for the
//! report of a failure.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use shm_core::process::scheduled;

/// How long anything may take before a test gives up on it. Generous: a loaded machine with two
/// cores starts a compositor in seconds. Nothing is timed by it. A machine that is slower by nature
/// sets `SELKIE_PATIENCE` to how many times as long it needs.
pub fn patience() -> Duration {
    let times = std::env::var("SELKIE_PATIENCE").map_or(1, |text| text.parse().unwrap());
    Duration::from_secs(30) * times
}

/// Where a program is on `PATH`, if it is installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| {
        fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

fn program_or_path(name: &str) -> Option<PathBuf> {
    if name.contains('/') { Path::new(name).exists().then(|| PathBuf::from(name)) } else { program(name) }
}

/// Asks until the answer is there, for programs that have no way to say that they are ready.
///
/// # Panics
/// When the deadline passes first, with `what` and whatever `probe` last complained of.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        match probe() {
            Ok(answer) => return answer,
            Err(why) => {
                assert!(Instant::now() < deadline, "gave up waiting for {what}: {why}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// An `XDG_RUNTIME_DIR` of its own (mode 0700), in a temporary directory that also takes logs and
/// pictures. Removed when dropped.
#[derive(Debug)]
pub struct RuntimeDir {
    base: tempfile::TempDir,
    run: PathBuf,
}

impl RuntimeDir {
    /// A fresh one. Its path is short: a socket address holds 108 bytes.
    pub fn new() -> Self {
        let base = tempfile::Builder::new().prefix("selkie-").tempdir_in("/tmp").unwrap();
        let run = base.path().join("run");
        fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
        Self { base, run }
    }

    /// What goes into `XDG_RUNTIME_DIR`.
    pub fn path(&self) -> &Path {
        &self.run
    }

    /// A path for a file beside it that goes when it goes.
    pub fn file(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// A command that finds this directory and none of the user's session.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("XDG_RUNTIME_DIR", &self.run);
        command.env("XDG_CONFIG_HOME", self.base.path()).env("XDG_CACHE_HOME", self.base.path());
        // The drivers' software path on every machine, so that a GPU does not change what is tested.
        command.env("LIBGL_ALWAYS_SOFTWARE", "1");
        for name in
            ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "WAYLAND_DEBUG", "DISPLAY", "DBUS_SESSION_BUS_ADDRESS"]
        {
            command.env_remove(name);
        }
        command.current_dir(self.base.path());
        command
    }

    /// Hands the directory to another user, for a host that refuses to run as root.
    pub fn give_to(&self, uid: u32, gid: u32) {
        for path in [self.base.path(), &self.run] {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Spawns a command built with [`RuntimeDir::command`], with its output kept in this directory.
    pub fn spawn(&self, name: &str, command: Command) -> Process {
        Process::spawn(name, command, self.base.path())
    }
}

impl Default for RuntimeDir {
    fn default() -> Self {
        Self::new()
    }
}

/// A running program in a process group of its own.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it, with standard error kept in a file in `dir`. Standard output goes there too unless
    /// the command says otherwise by [`Process::spawn_piped`].
    pub fn spawn(name: &str, command: Command, dir: &Path) -> Self {
        Self::start(name, command, dir, false)
    }

    /// [`Process::spawn`] with standard output as a pipe, to be read by [`Process::wait_for_line`].
    pub fn spawn_piped(name: &str, command: Command, dir: &Path) -> Self {
        Self::start(name, command, dir, true)
    }

    fn start(name: &str, command: Command, dir: &Path, piped: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = dir.join(format!("{name}-{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let out = File::create(&log).unwrap();
        let mut command = dying_with_us(command);
        command.stdin(Stdio::null()).stderr(out.try_clone().unwrap());
        command.stdout(if piped { Stdio::piped() } else { Stdio::from(out) });
        let child =
            command.process_group(0).spawn().unwrap_or_else(|e| panic!("could not start {name}: {e}"));
        Self { name: name.to_owned(), child, log, status: None }
    }

    /// Waits for a line of standard output that begins so (see [`Process::spawn_piped`]) and returns the
    /// rest of it. Only once: what follows is read and thrown away, so that the program never waits for a
    /// full pipe.
    ///
    /// # Panics
    /// If the program ends first, or says nothing for too long.
    pub fn wait_for_line(&mut self, prefix: &'static str) -> String {
        let stdout =
            BufReader::new(self.child.stdout.take().expect("started with spawn_piped, and taken once"));
        let (sender, found) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix(prefix) {
                    let _ = sender.try_send(rest.to_owned());
                }
            }
        });
        match found.recv_timeout(patience()) {
            Ok(rest) => rest,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} did not say {prefix:?}", self.name),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.wait();
                panic!("{} ended before it said {prefix:?}: {status}\n{}", self.name, self.log());
            }
        }
    }

    /// Waits for its end, and returns all that it wrote to standard output (see
    /// [`Process::spawn_piped`]).
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait_for_output(&mut self) -> (ExitStatus, String) {
        let mut stdout = self.child.stdout.take().expect("started with spawn_piped, and taken once");
        let reader = std::thread::spawn(move || io::read_to_string(&mut stdout).unwrap());
        (self.wait(), reader.join().unwrap())
    }

    /// Its process id, which is also its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// All that it wrote to standard error so far (and to standard output, unless piped).
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// What the kernel counts for it now.
    pub fn counters(&self) -> Counters {
        Counters::of(self.pid()).unwrap()
    }

    /// How often its threads have stopped running so far, whether they went to sleep or were made to
    /// wait (proc_pid_status(5)). Something that only sleeps counts no more.
    pub fn context_switches(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid().as_raw_nonzero())).unwrap();
        // A thread may end between being listed and being asked.
        let texts =
            tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap_or_default());
        let count = |text: String| -> u64 {
            let lines = text.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            lines.map(|(_, number)| number.trim().parse::<u64>().unwrap()).sum()
        };
        texts.map(count).sum()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // It is looked at and not reaped: as long as the dead leader is there, nobody else can get
            // its number, and the group can be killed when this handle goes.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let found = rustix::process::waitid(WaitId::Pid(self.pid()), options).unwrap();
            self.status = found.map(|status| {
                let signal = status.terminating_signal().unwrap_or(0);
                let dumped = if status.dumped() { 0x80 } else { 0 };
                ExitStatus::from_raw(status.exit_status().map_or(signal | dumped, |code| (code & 0xff) << 8))
            });
        }
        self.status
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&mut self) -> ExitStatus {
        let name = format!("{} to end", self.name);
        eventually(&name, || self.ended().ok_or_else(|| "still running".to_owned()))
    }

    /// Sends it (and only it) a signal.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            rustix::process::kill_process(self.pid(), signal).unwrap();
        }
    }

    /// Kills it with SIGKILL and takes its status.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait()
    }

    /// Asks it to end with SIGTERM and waits until it did.
    pub fn terminate(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        self.wait()
    }

    /// Fails the test if the program is not running any more.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended early, {status}:\n{}", self.name, self.log());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}---", self.name, tail(&self.log, 8192));
        }
    }
}

/// The same command, run so that the kernel kills it when the thread that started it is no more: a
/// test that is killed drops nothing. `setpriv` comes with util-linux; without it that protection is
/// missing. What changes its credentials on the way (a user namespace) loses it, and has to ask again.
fn dying_with_us(command: Command) -> Command {
    let (Some(setpriv), Some(_)) =
        (program("setpriv"), command.get_program().to_str().and_then(program_or_path))
    else {
        // A program that is not there is reported better by the spawn itself.
        return command;
    };
    let mut wrapped = Command::new(setpriv);
    wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}

fn tail(path: &Path, most: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// What a process holds: compare two of these to see a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Open file descriptors.
    pub fds: usize,
    /// Mappings in its address space.
    pub maps: usize,
    /// Mappings of memfds and other shared memory.
    pub shared_maps: usize,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Resident memory that belongs to files and shared memory, in bytes.
    pub resident_shared: u64,
    /// Processor time used so far by all of its threads, in microseconds (as fine as the scheduler
    /// counts: nanoseconds, not clock ticks).
    pub cpu_us: u64,
}

impl Counters {
    /// Reads them from `/proc`, see proc(5).
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of(pid: Pid) -> io::Result<Self> {
        let dir = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let fds = fs::read_dir(dir.join("fd"))?.count();
        let maps = fs::read_to_string(dir.join("maps"))?;
        let shared = |line: &&str| line.contains("/memfd:") || line.contains("/dev/shm/");
        let statm = fs::read_to_string(dir.join("statm"))?;
        let page = rustix::param::page_size() as u64;
        let mut pages = statm.split_ascii_whitespace().skip(1).map(|n| n.parse::<u64>().unwrap() * page);
        let (resident, resident_shared) = (pages.next().unwrap(), pages.next().unwrap());
        let mut cpu_us = 0;
        for task in fs::read_dir(dir.join("task"))? {
            // A thread may end between being listed and being asked.
            cpu_us += scheduled(&task?.path()).map_or(0, |scheduled| scheduled.ran.as_micros() as u64);
        }
        Ok(Self {
            fds,
            maps: maps.lines().count(),
            shared_maps: maps.lines().filter(shared).count(),
            resident,
            resident_shared,
            cpu_us,
        })
    }

    /// The targets of the open descriptors (`/proc/PID/fd`), sorted: says which one leaked.
    pub fn fd_targets(pid: Pid) -> Vec<String> {
        let mut all: Vec<String> = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        all.sort();
        all
    }
}

/// Waits until something accepts connections on a socket that a program of others makes, and fails
/// with its log if it ends instead.
pub fn wait_for_socket(process: &mut Process, socket: &Path) {
    let what = format!("{} to listen on {}", process.name, socket.display());
    eventually(&what, || {
        process.assert_alive();
        UnixStream::connect(socket).map(drop).map_err(|e| e.to_string())
    });
}
