//! `selkie demo`: what sealing is for, and what it permits, as a play in seven acts.
//!
//! Each act is a client process with a connection of its own, so that each can be put under a
//! policy of its own. An act is judged by what the compositor's ledger and the client itself say,
//! and ends as soon as that is known.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};
use selkie_compositor::buffer::Policy;
use selkie_compositor::geometry::Size;
use selkie_compositor::{BackendKind, ClientRecord, Compositor, Config, Placement, Remote, Summary};

use shm_core::dma_heap::DmaHeap;
use shm_core::udmabuf::Udmabuf;

use crate::cli::DemoArgs;
use crate::exit::Outcome;

/// An act in which nothing happens for so long has gone wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the ledger is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Frames after which an act has been seen.
const FRAMES: u64 = 24;
/// Each window, in a grid of three by two.
const WINDOW: &str = "400x300";

/// What stopped the play, other than an act that went wrong.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("cannot make the directory {path:?} for the pictures: choose another with --out")]
    Out { path: PathBuf, source: io::Error },
    #[error("cannot start a client")]
    Client(#[source] io::Error),
    #[error("the compositor was ended before the play was over")]
    Interrupted,
}

/// Plays the demo and tells how it went.
pub fn run(args: DemoArgs) -> Outcome {
    let out = args.out;
    fs::create_dir_all(out.join("clients")).map_err(|source| DemoError::Out { path: out.clone(), source })?;
    let config = Config {
        backend: if args.headless { BackendKind::Headless } else { BackendKind::Auto },
        size: Size::new(1280, 720),
        refresh_hz: 30,
        placement: Placement::Grid { columns: 3, rows: 2 },
        capture: Some(out.join("demo.png")),
        record: Some(out.join("demo.apng")),
        record_interval: Duration::from_millis(90),
        report: Some(out.join("ledger.jsonl")),
        stop_on_signals: true,
        ..Config::default()
    };
    let compositor = Compositor::start(config)?;
    println!("selkie {}: {}.\n", env!("CARGO_PKG_VERSION"), compositor.describe());
    let stage = Stage { remote: compositor.remote(), out: out.clone(), exe: std::env::current_exe()? };
    let play = std::thread::spawn(move || {
        let played = play(&stage);
        stage.remote.stop();
        played
    });
    let summary = compositor.run();
    let Ok(played) = play.join() else { return Err("the play panicked, which is a bug".into()) };
    let Played { acts, .. } = &played?;
    let summary = summary?;
    println!("\n{}\n", table(&summary));
    println!(
        "pictures: {0}/demo.png and {0}/demo.apng; every pool, buffer and frame: {0}/ledger.jsonl",
        out.display()
    );
    let failed = acts.iter().filter(|ok| !**ok).count();
    if failed > 0 {
        eprintln!("selkie: {failed} of {} acts went wrong", acts.len());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the acts have in common.
struct Stage {
    remote: Remote,
    out: PathBuf,
    exe: PathBuf,
}

/// A client process in an act.
struct Player {
    label: &'static str,
    child: Child,
    report: PathBuf,
    log: PathBuf,
}

/// What came of an act: a sentence, and whether it is what was to happen.
type Seen = Result<String, String>;

/// How the play went. Who is still on the stage stays there as long as this does, for the picture.
struct Played {
    acts: Vec<bool>,
    _players: Vec<Player>,
}

fn play(stage: &Stage) -> Result<Played, DemoError> {
    let mut acts = Vec::new();
    let mut act = |title: &str, seen: Seen| {
        let (mark, text) = match &seen {
            Ok(text) => ('✓', text),
            Err(text) => ('✗', text),
        };
        println!("{mark} {}. {title}\n     {text}", acts.len() + 1);
        acts.push(seen.is_ok());
    };

    let mut sealed = stage.start("sealed", Policy::Enforce, &["--pattern", "bars"])?;
    act("A client whose memory is sealed is shown", shown(stage, &mut sealed)?);

    let bare = stage.start("bare", Policy::Enforce, &["--seals", "none"])?;
    act("A client without seals is refused", refused(stage, bare)?);

    let shrink = ["--pattern", "moving-bar", "--shrink-after", "6", "--frames", "24"];
    let greedy = stage.start("greedy", Policy::Enforce, &shrink)?;
    act("A sealed client tries to shrink memory it has handed over", tried_in_vain(stage, greedy)?);

    let mut adopted =
        stage.start("adopted", Policy::Adopt, &["--seals", "none", "--pattern", "zone-plate"])?;
    act("Under `adopt` the compositor adds the missing seal itself", adopts(stage, &mut adopted)?);

    let cut = ["--seals", "never", "--pattern", "checker", "--shrink-after", "12"];
    let cutter = stage.start("cutter", Policy::Guard, &cut)?;
    act("Under `guard`, an unsealed client that shrinks is ended", ended(stage, cutter, &sealed)?);

    let cut = ["--seals", "never", "--pattern", "plasma", "--shrink-after", "12"];
    let mut copied = stage.start("copied", Policy::Copy, &cut)?;
    act("Under `copy` the same is harmless", harmless(stage, &mut copied)?);

    let title = "A dma-buf is shown as it is";
    let mut third = match dmabuf_source() {
        Ok(source) => {
            let args = ["--buffer", source, "--pattern", "moving-bar"];
            let mut player = stage.start("dma-buf", Policy::Enforce, &args)?;
            act(title, dmabuf_shown(stage, &mut player)?);
            player
        }
        Err(why) => {
            println!("– 7. {title}: not on this machine\n     {why}");
            stage.start("third", Policy::Enforce, &["--pattern", "moving-bar"])?
        }
    };

    // For the picture: a format of ten bits, and one with alpha.
    let deep = ["--pattern", "gradient", "--format", "XRGB2101010"];
    let mut deep = stage.start("10-bit", Policy::Enforce, &deep)?;
    let alpha = ["--pattern", "plasma", "--format", "ARGB8888", "--alpha"];
    let mut alpha = stage.start("alpha", Policy::Enforce, &alpha)?;
    let mut gallery = true;
    for player in [&mut deep, &mut alpha, &mut third] {
        gallery &= stage.wait(player, |r| r.frames >= 3)?.is_ok();
    }
    if !gallery {
        act("Three more, for the picture", Err("one of them was not shown".into()));
    }
    Ok(Played { acts, _players: vec![sealed, adopted, copied, deep, alpha, third] })
}

fn shown(stage: &Stage, player: &mut Player) -> Result<Seen, DemoError> {
    Ok(stage.wait(player, |r| r.frames >= FRAMES)?.and_then(|r| match r.verdict {
        "sealed" => Ok(format!(
            "{}, seals {}: verdict {}, {} frames {}",
            r.memory.join(", "),
            r.seals,
            r.verdict,
            r.frames,
            path(&r)
        )),
        other => Err(format!("the verdict is {other}, not sealed: {}", r.why)),
    }))
}

/// A `--buffer` of the client that makes dma-bufs here, or why there is none.
fn dmabuf_source() -> Result<&'static str, String> {
    let why = match Udmabuf::open() {
        Ok(_) => return Ok("udmabuf"),
        Err(e) => e.to_string(),
    };
    if DmaHeap::open("system").is_ok() {
        return Ok("dma-heap");
    }
    // A card may still be without dumb buffers, but then the act says so.
    let mut devices = fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    if devices.any(|d| d.file_name().to_string_lossy().starts_with("card") && File::open(d.path()).is_ok()) {
        return Ok("dumb");
    }
    Err(format!("{why}; and there is no dma-heap and no graphics device"))
}

fn dmabuf_shown(stage: &Stage, player: &mut Player) -> Result<Seen, DemoError> {
    Ok(stage.wait(player, |r| r.frames >= FRAMES)?.and_then(|r| match r.memory.join(", ") {
        memory if memory.starts_with("dma-buf") => {
            Ok(format!("{memory}, which cannot shrink: {} frames {}", r.frames, path(&r)))
        }
        memory => Err(format!("it is no dma-buf but {memory}")),
    }))
}

/// The path of a client's last frame, and what was copied on the way.
fn path(record: &ClientRecord) -> String {
    let name = record.path.map_or("not shown", |p| p.name());
    match record.bytes_copied {
        0 => format!("{name}, not a byte copied"),
        bytes => format!("{name}, {:.1} MB copied", mb(bytes)),
    }
}

fn refused(stage: &Stage, mut player: Player) -> Result<Seen, DemoError> {
    let gone = stage.wait(&mut player, |r| !r.connected)?;
    let said = player.last_words();
    Ok(gone.and_then(|r| match r.error {
        Some(_) if r.frames == 0 && said.contains("wl_shm.invalid_fd") => Ok(said),
        _ => Err(format!("it was not refused with wl_shm.invalid_fd, but: {said}")),
    }))
}

fn tried_in_vain(stage: &Stage, mut player: Player) -> Result<Seen, DemoError> {
    let gone = stage.wait(&mut player, |r| !r.connected)?;
    let summary = player.summary();
    Ok(gone.and_then(|r| {
        let shrink = summary.as_ref().map(|s| &s["shrink"]);
        match shrink.and_then(|s| s["errno"].as_i64()) {
            Some(errno) if errno == i64::from(rustix::io::Errno::PERM.raw_os_error()) => Ok(format!(
                "ftruncate: EPERM ({}); it was shown for all its {} frames: {}",
                shrink.and_then(|s| s["text"].as_str()).unwrap_or_default(),
                r.frames,
                path(&r)
            )),
            other => Err(format!("ftruncate should have said EPERM, but said {other:?}")),
        }
    }))
}

fn adopts(stage: &Stage, player: &mut Player) -> Result<Seen, DemoError> {
    Ok(stage.wait(player, |r| r.frames >= FRAMES)?.and_then(|r| {
        if r.adopted && r.verdict == "sealed" {
            Ok(format!("it came with none, now seals {}: verdict {}; {}", r.seals, r.verdict, path(&r)))
        } else {
            Err(format!("the seal was not added: seals {}, verdict {}", r.seals, r.verdict))
        }
    }))
}

fn ended(stage: &Stage, mut player: Player, other: &Player) -> Result<Seen, DemoError> {
    let gone = stage.wait(&mut player, |r| !r.connected)?;
    let said = player.last_words();
    let before = stage.record(other.label)?.map_or(0, |r| r.frames);
    let goes_on =
        stage.poll(other.label, || Ok(stage.record(other.label)?.filter(|r| r.frames >= before + 6)))?;
    Ok(gone.and_then(|r| match (&r.error, goes_on) {
        (Some(_), Some(o)) if said.contains("invalid_fd") => {
            let before = path(&r);
            Ok(format!("until then {before}; {said}\n     \"{}\" goes on: {} frames", o.program, o.frames))
        }
        (Some(_), Some(_)) => Err(format!("it was ended with another error: {said}")),
        (None, _) => Err(format!("it left by itself: {said}")),
        (_, None) => Err("it was ended, but the others stood still".into()),
    }))
}

fn harmless(stage: &Stage, player: &mut Player) -> Result<Seen, DemoError> {
    let cut = match stage.wait(player, |r| r.cut_off)? {
        Ok(record) => record.frames,
        Err(e) => return Ok(Err(e)),
    };
    Ok(stage.wait(player, |r| r.frames >= cut + 6)?.map(|r| {
        format!("never mapped, {} with pread(2); the rows that are gone keep what they showed", path(&r))
    }))
}

impl Stage {
    /// Starts a client under that name and policy.
    fn start(&self, label: &'static str, policy: Policy, args: &[&str]) -> Result<Player, DemoError> {
        let report = self.out.join("clients").join(format!("{label}.jsonl"));
        let log = self.out.join("clients").join(format!("{label}.log"));
        let start = || -> io::Result<Child> {
            let (ours, theirs) = UnixStream::pair()?;
            // The client inherits its end by number.
            rustix::io::fcntl_setfd(theirs.as_fd(), rustix::io::FdFlags::empty())?;
            let child = Command::new(&self.exe)
                .args(["client", "--size", WINDOW, "--title", label, "--report"])
                .arg(&report)
                .args(args)
                .env("WAYLAND_SOCKET", theirs.as_raw_fd().to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(&log)?)
                .spawn()?;
            self.remote.insert_client(ours, label, policy);
            Ok(child)
        };
        let child = start().map_err(DemoError::Client)?;
        Ok(Player { label, child, report, log })
    }

    /// What the ledger says of that client.
    fn record(&self, label: &str) -> Result<Option<ClientRecord>, DemoError> {
        let summary = self.remote.summary().ok_or(DemoError::Interrupted)?;
        Ok(summary.clients.into_iter().find(|r| r.program == label))
    }

    /// Looks until there is something to see, or patience with the client of that name ends.
    fn poll<T>(
        &self,
        label: &str,
        mut look: impl FnMut() -> Result<Option<T>, DemoError>,
    ) -> Result<Option<T>, DemoError> {
        let (mut since, mut frames) = (Instant::now(), 0);
        loop {
            if let Some(seen) = look()? {
                return Ok(Some(seen));
            }
            let now = self.record(label)?.map_or(0, |r| r.frames);
            if now != frames {
                (since, frames) = (Instant::now(), now);
            }
            if since.elapsed() > PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the ledger says of `player` what `wanted` wants.
    fn wait(
        &self,
        player: &mut Player,
        wanted: impl Fn(&ClientRecord) -> bool,
    ) -> Result<Result<ClientRecord, String>, DemoError> {
        let seen =
            self.poll(player.label, || Ok(self.record(player.label)?.filter(|r| wanted(r) || !r.connected)))?;
        Ok(match seen {
            Some(record) if wanted(&record) => Ok(record),
            Some(_) => Err(format!("it ended too early: {}", player.last_words())),
            None => Err(format!("nothing has happened for {PATIENCE:?}")),
        })
    }
}

impl Player {
    /// What it printed last, once it has ended.
    fn last_words(&mut self) -> String {
        // It was told to end, or has lost its connection.
        let _ = self.child.wait();
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().last().unwrap_or_default();
        last.strip_prefix("selkie: ").unwrap_or(last).to_owned()
    }

    /// The last line of its report.
    fn summary(&mut self) -> Option<serde_json::Value> {
        let _ = self.child.wait();
        let text = fs::read_to_string(&self.report).ok()?;
        serde_json::from_str(text.lines().last()?).ok()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn table(summary: &Summary) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["client", "policy", "memory", "seals", "verdict", "path", "frames", "copied"]);
    for r in &summary.clients {
        let verdict = if r.adopted { format!("{} (adopted)", r.verdict) } else { r.verdict.to_owned() };
        table.add_row([
            r.program.clone(),
            r.policy.to_string(),
            r.memory.join(", "),
            r.seals.clone(),
            verdict,
            r.path.map_or("refused", |p| p.name()).to_owned(),
            r.frames.to_string(),
            format!("{:.1} MB", mb(r.bytes_copied)),
        ]);
    }
    table
}
