//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use selkie_client::{self as client, Pattern};
use selkie_compositor::buffer::{Policies, Policy};
use selkie_compositor::geometry::Size;
use shm_core::seals::{ParseSealsError, Seals};

/// A minimal Wayland compositor and client that show how pixels travel between processes without a
/// copy, and what makes that safe.
#[derive(Debug, Parser)]
#[command(name = "selkie", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the compositor: headless, or as a window in the present session
    Compositor(CompositorArgs),
    /// Show a test pattern from sealed memory, in any compositor
    Client(ClientArgs),
    /// Run a program and say of all the memory that it shares what it is, and what strict compositors would say to it
    Audit(AuditArgs),
    /// See what sealing is for: seven acts, a table and pictures (the default)
    Demo(DemoArgs),
    /// Check how a compositor treats the memory that clients share with it
    Check(CheckArgs),
    /// Share memory in every way that Linux has, to try, to look at and to measure
    Shm(crate::shm::ShmArgs),
    /// One case of `check`, in the process that is started for it
    #[command(hide = true)]
    CheckCase(CheckCaseArgs),
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// For people
    #[default]
    Table,
    /// For programs, and for --compare
    Json,
    /// JUnit's XML, for continuous integration
    Junit,
    /// Test Anything Protocol, version 14
    Tap,
    /// A document
    Markdown,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Start a private compositor: selkie, weston, sway, cage, labwc, mutter or kwin, with arguments of your own, or any
    /// command line (repeatable)
    #[arg(long, value_name = "COMMAND")]
    pub launch: Vec<String>,
    /// Take the compositor that runs as this WAYLAND_DISPLAY
    #[arg(long, value_name = "NAME")]
    pub display: Option<String>,
    /// The process of the compositor at --display [default: whoever listens at its socket]
    #[arg(long, value_name = "PID", requires = "display")]
    pub pid: Option<i32>,
    /// Run cases that are known to end some compositors even at --display
    #[arg(long)]
    pub dangerous: bool,
    /// Run this case only (repeatable)
    #[arg(long, value_name = "CASE", value_parser = crate::check::case)]
    pub only: Vec<String>,
    /// Run this group only: memory, arithmetic, lifetime, dmabuf, handout or load (repeatable)
    #[arg(long, value_name = "GROUP", value_parser = crate::check::group)]
    pub group: Vec<String>,
    /// Say what the cases are, and run none
    #[arg(long)]
    pub list: bool,
    /// Print what has changed since these results (of --format json), and fail only if something got worse
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// How to write the results
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Give everything so many times as long, for slow machines
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub patience: u32,
}

#[derive(Debug, Args)]
pub struct CheckCaseArgs {
    #[arg(allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The directory for the pictures
    #[arg(long, value_name = "DIR", default_value = "selkie-demo")]
    pub out: PathBuf,
    /// Show no window, even in a session
    #[arg(long)]
    pub headless: bool,
}

impl Default for DemoArgs {
    fn default() -> Self {
        Self { out: "selkie-demo".into(), headless: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BackendArg {
    /// wayland if WAYLAND_DISPLAY names a live session, else headless
    #[default]
    Auto,
    /// A window in another compositor
    Wayland,
    /// No screen: pictures in memory
    Headless,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DmabufArg {
    #[default]
    Auto,
    On,
    Off,
}

/// Whether sealed pools become dma-bufs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ImportArg {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub struct CompositorArgs {
    /// Where the picture goes
    #[arg(long, value_enum, default_value_t)]
    pub backend: BackendArg,
    /// The socket's name in XDG_RUNTIME_DIR [default: the first free wayland-N]
    #[arg(long, value_name = "NAME")]
    pub socket: Option<String>,
    /// The output's size in pixels
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size)]
    pub size: Size,
    /// Frames per second of the headless output; 0: as fast as clients commit
    #[arg(long, value_name = "HZ", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub refresh: u32,
    /// What to do with client memory that is not sealed: enforce, adopt, copy or guard
    #[arg(long, value_name = "POLICY", default_value_t, value_parser = policy)]
    pub policy: Policy,
    /// An exception for one program, by its process name (repeatable)
    #[arg(long, value_name = "PROGRAM=POLICY", value_parser = Policies::parse_exception)]
    pub policy_for: Vec<(String, Policy)>,
    /// Draw even what could be passed on to the host as it is
    #[arg(long)]
    pub compose: bool,
    /// Nested: make dma-bufs of sealed memory before it is passed on; auto: if the host's GPU would rather have them
    #[arg(long, value_enum, default_value_t)]
    pub import: ImportArg,
    /// Take pictures in dma-bufs; auto: where this machine has a device that makes any
    #[arg(long, value_enum, default_value_t)]
    pub dmabuf: DmabufArg,
    /// Let every client take pictures of the output (grim, wf-recorder), other clients' windows included
    #[arg(long)]
    pub screencopy: bool,
    /// Write the last frame to this PNG
    #[arg(long, value_name = "FILE.png")]
    pub capture: Option<PathBuf>,
    /// Write every frame to this animated PNG
    #[arg(long, value_name = "FILE.apng")]
    pub record: Option<PathBuf>,
    /// End after N frames that showed a client
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Write the ledger to this file, a JSON object per line
    #[arg(long, value_name = "FILE.jsonl")]
    pub report: Option<PathBuf>,
    /// A program to run in it; its exit status becomes selkie's
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// End when the process that started it ends
    #[arg(long, hide = true)]
    pub die_with_parent: bool,
}

/// How the report of an audit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AuditFormat {
    /// For people
    #[default]
    Table,
    /// For programs: one object
    Json,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The exit status is 1 if the program would be refused under --policy, or shared no memory."
)]
pub struct AuditArgs {
    /// End the program after so long [default: watch it until it ends]
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// End the program after N commits with a buffer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Show it in a window of the present session
    #[arg(long, conflicts_with = "proxy")]
    pub visible: bool,
    /// Run it in the present session's compositor, not in one of its own
    #[arg(long)]
    pub proxy: bool,
    /// The policy that decides whether it would be refused: enforce, adopt, copy or guard
    #[arg(long, value_name = "POLICY", default_value_t, value_parser = policy)]
    pub policy: Policy,
    /// How to write the report
    #[arg(long, value_enum, default_value_t)]
    pub format: AuditFormat,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct ClientArgs {
    /// What to show: bars, zone-plate, gradient, checker, moving-bar or plasma
    #[arg(long, value_name = "NAME", default_value = "bars")]
    pub pattern: Pattern,
    /// The window's size
    #[arg(long, value_name = "WxH", default_value = "640x480")]
    pub size: client::Size,
    /// Keep that size, whatever the compositor asks for
    #[arg(long)]
    pub fixed_size: bool,
    /// Pixel format, by its DRM name, as in XRGB8888 or XRGB2101010; NV12, P010 and YU12 go into dma-bufs only
    #[arg(long, value_name = "FOURCC", default_value = "XRGB8888")]
    pub format: client::Format,
    /// Let the right half fade to transparent (needs a format with alpha)
    #[arg(long)]
    pub alpha: bool,
    /// Buffers, all in one pool; with only one, most compositors hold it and nothing moves
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub buffers: u32,
    /// End after N frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Stay on the screen after the last frame; says on standard output when it is there
    #[arg(long)]
    pub hold: bool,
    /// Do not wait for the compositor: commit as soon as a buffer is free
    #[arg(long)]
    pub no_pace: bool,
    /// Seals for the memory: a list like shrink,grow,seal; none (it could be sealed, but is not);
    /// never (it cannot be sealed)
    #[arg(long, value_name = "SEALS", default_value = "seal,shrink", value_parser = seals)]
    pub seals: SealChoice,
    /// What the buffers are made of: shm, or dma-bufs by udmabuf, dma-heap, dumb or gbm; auto: the first that works
    #[arg(long, value_name = "KIND", default_value = "shm")]
    pub buffer: client::BufferKind,
    /// The device for dumb and gbm (/dev/dri/cardN) or dma-heap (/dev/dma_heap/NAME) [default: the compositor's, or the
    /// first that works]
    #[arg(long, value_name = "PATH")]
    pub device: Option<PathBuf>,
    /// Kind of memory: memfd, posix (shm_open), or a path for a file to make there
    #[arg(long, value_name = "KIND", default_value = "memfd", value_parser = memory)]
    pub memory: client::Memory,
    /// How much of each frame is drawn anew: full, never, or the edge of a square in pixels
    #[arg(long, value_name = "HOW", default_value = "full", value_parser = redraw)]
    pub redraw: client::Redraw,
    /// After N frames, try to shrink the memory that the compositor has
    #[arg(long, value_name = "N")]
    pub shrink_after: Option<u64>,
    /// Draw the content turned: normal, 90, 180, 270, flipped, flipped-90, flipped-180, flipped-270
    #[arg(long, value_name = "TRANSFORM", default_value = "normal")]
    pub transform: client::Transform,
    /// Buffer pixels per surface unit
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub scale: u32,
    /// Show only this part of the surface (wp_viewport.set_source)
    #[arg(long, value_name = "X,Y,W,H", value_parser = source)]
    pub crop: Option<(f64, f64, f64, f64)>,
    /// Show it at this size (wp_viewport.set_destination)
    #[arg(long, value_name = "WxH")]
    pub scale_to: Option<client::Size>,
    /// A subsurface: X,Y,WxH,PATTERN, then any of FORMAT, alpha, desync, below (repeatable)
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true, value_parser = subsurface)]
    pub subsurface: Vec<client::Subsurface>,
    /// Unused bytes at the end of every row
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub stride_padding: u32,
    /// Unused bytes before every buffer
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u32,
    /// Leave the unused bits of an X format zero, to catch who takes them for alpha
    #[arg(long)]
    pub clear_unused: bool,
    /// Commit the main surface no more after N frames, only its subsurfaces
    #[arg(long, value_name = "N")]
    pub freeze_main_after: Option<u64>,
    /// The window's title
    #[arg(long, default_value = "selkie client")]
    pub title: String,
    /// Write a line of JSON per frame, and one at the end, to this file
    #[arg(long, value_name = "FILE.jsonl")]
    pub report: Option<PathBuf>,
}

/// Which seals the client's memory gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealChoice(pub Option<Seals>);

fn seals(text: &str) -> Result<SealChoice, String> {
    match text {
        "never" => Ok(SealChoice(None)),
        text => text.parse().map(|s| SealChoice(Some(s))).map_err(|e: ParseSealsError| e.to_string()),
    }
}

fn memory(text: &str) -> Result<client::Memory, String> {
    match text {
        "memfd" => Ok(client::Memory::Memfd),
        "posix" => Ok(client::Memory::PosixShm),
        path if path.contains('/') => Ok(client::Memory::File(path.into())),
        other => Err(format!("{other:?} is neither memfd nor posix, nor a path (a path has a slash)")),
    }
}

fn redraw(text: &str) -> Result<client::Redraw, String> {
    match (text, text.parse()) {
        ("full", _) => Ok(client::Redraw::Full),
        ("never", _) => Ok(client::Redraw::Never),
        (_, Ok(edge)) if edge > 0 => Ok(client::Redraw::Patch(edge)),
        _ => Err("write full, never, or a number of pixels".into()),
    }
}

fn source(text: &str) -> Result<(f64, f64, f64, f64), String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(str::parse).collect();
    match numbers.as_deref() {
        Ok(&[x, y, w, h]) => Ok((x, y, w, h)),
        _ => Err("write four numbers: X,Y,W,H".into()),
    }
}

fn subsurface(text: &str) -> Result<client::Subsurface, String> {
    let mut words = text.split(',');
    let mut next = || words.next().ok_or("write X,Y,WxH,PATTERN[,FORMAT][,alpha][,desync][,below]");
    let number = |s: &str| s.parse::<i32>().map_err(|e| format!("{s:?} is no position: {e}"));
    let position = (number(next()?)?, number(next()?)?);
    let size = next()?.parse().map_err(|e: client::ConfigError| e.to_string())?;
    let pattern = next()?.parse().map_err(|e: client::ConfigError| e.to_string())?;
    let mut subsurface = client::Subsurface {
        position,
        size,
        pattern,
        format: client::Format::Xrgb8888,
        alpha: false,
        sync: true,
        below: false,
    };
    for word in words {
        match word {
            "alpha" => subsurface.alpha = true,
            "desync" => subsurface.sync = false,
            "below" => subsurface.below = true,
            format => subsurface.format = format.parse().map_err(|e: client::ConfigError| e.to_string())?,
        }
    }
    Ok(subsurface)
}

/// Reads a number of seconds.
pub fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(n) if (0.001..=1e6).contains(&n) => Ok(n),
        _ => Err("write a number of seconds, as in 5 or 0.5".into()),
    }
}

fn policy(text: &str) -> Result<Policy, String> {
    text.parse().map_err(|e: selkie_compositor::buffer::ParsePolicyError| e.to_string())
}

/// Reads `WxH`.
pub fn size(text: &str) -> Result<Size, String> {
    let parse = |s: &str| s.parse::<i32>().ok().filter(|n| (1..=16384).contains(n));
    match text.split_once('x').map(|(w, h)| (parse(w), parse(h))) {
        Some((Some(w), Some(h))) => Ok(Size::new(w, h)),
        _ => Err("write WIDTHxHEIGHT in pixels, both from 1 to 16384, as in 1280x720".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_positive_numbers() {
        assert_eq!(size("1280x720"), Ok(Size::new(1280, 720)));
        for bad in ["", "0x0", "12", "12x", "x12", "-1x5", "1x99999", "1x2x3", "1X2"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
