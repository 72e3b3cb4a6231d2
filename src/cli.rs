//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use selkie_compositor::buffer::{Policies, Policy};
use selkie_compositor::geometry::Size;

/// A minimal Wayland compositor and client that show how pixels travel between processes without a
/// copy, and what makes that safe.
#[derive(Debug, Parser)]
#[command(name = "selkie", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the compositor: headless, or as a window in the present session
    Compositor(CompositorArgs),
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
    /// Draw even what could be passed on
    #[arg(long)]
    pub compose: bool,
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
