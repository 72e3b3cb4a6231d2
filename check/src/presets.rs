//! Compositors that are known by name, and how each is started without a screen.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The size of the output that each gets.
const SIZE: (u32, u32) = (1280, 720);

/// Why a command cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The program of a preset is not installed.
    #[error("{program} is not installed: install it, or give another command with --launch")]
    NotInstalled {
        /// The program.
        program: &'static str,
    },
    /// There is nothing to run.
    #[error("--launch wants a command: one of {}, or any command line", NAMES.join(", "))]
    Empty,
    /// This program's own file is not known.
    #[error("cannot find selkie's own program to launch it")]
    Own {
        /// Why.
        source: io::Error,
    },
}

/// The presets' names.
pub const NAMES: [&str; 7] = ["selkie", "weston", "sway", "cage", "labwc", "mutter", "kwin"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preset {
    Selkie,
    Weston,
    Sway,
    Cage,
    Labwc,
    Mutter,
    Kwin,
}

impl Preset {
    fn named(name: &str) -> Option<Preset> {
        Some(match name {
            "selkie" => Preset::Selkie,
            "weston" => Preset::Weston,
            "sway" => Preset::Sway,
            "cage" => Preset::Cage,
            "labwc" => Preset::Labwc,
            "mutter" => Preset::Mutter,
            "kwin" => Preset::Kwin,
            _ => return None,
        })
    }

    fn program(self) -> &'static str {
        match self {
            Preset::Selkie => "selkie",
            Preset::Weston => "weston",
            Preset::Sway => "sway",
            Preset::Cage => "cage",
            Preset::Labwc => "labwc",
            Preset::Mutter => "mutter",
            Preset::Kwin => "kwin_wayland",
        }
    }
}

/// How a compositor is started, again and again.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What to call it: the command as it was given.
    pub name: String,
    start: Start,
}

#[derive(Debug, Clone)]
enum Start {
    Preset { preset: Preset, program: PathBuf, more: String },
    Line(String),
}

impl Recipe {
    /// From what was given with `--launch`: a preset's name, with arguments of one's own behind it, or any command line.
    ///
    /// # Errors
    ///
    /// [`RecipeError`].
    pub fn of(command: &str) -> Result<Recipe, RecipeError> {
        let command = command.trim();
        let (first, more) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let start = match Preset::named(first) {
            None if command.is_empty() => return Err(RecipeError::Empty),
            None => Start::Line(command.to_owned()),
            Some(preset) => {
                let program = match preset {
                    Preset::Selkie => {
                        std::env::current_exe().map_err(|source| RecipeError::Own { source })?
                    }
                    other => {
                        find(other.program()).ok_or(RecipeError::NotInstalled { program: other.program() })?
                    }
                };
                Start::Preset { preset, program, more: more.trim().to_owned() }
            }
        };
        Ok(Recipe { name: command.to_owned(), start })
    }

    /// What it says of its version.
    pub fn version(&self) -> Option<String> {
        let Start::Preset { program, .. } = &self.start else { return None };
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// The command to start it, with what it needs written to `dir`; the caller gives it a runtime directory `dir/run`.
    ///
    /// # Errors
    ///
    /// If something cannot be written there.
    pub(crate) fn command(&self, dir: &Path) -> io::Result<Command> {
        match &self.start {
            Start::Line(line) => Ok(shell(line)),
            Start::Preset { preset, program, more } => {
                let mut line = preset_line(*preset, program, dir)?;
                if !more.is_empty() {
                    line.push(' ');
                    line.push_str(more);
                }
                let mut command = shell(&line);
                // wlroots and the drivers: no screen, no devices, the CPU.
                command.env("WLR_BACKENDS", "headless").env("WLR_RENDERER", "pixman");
                command.env("WLR_LIBINPUT_NO_DEVICES", "1").env("LIBGL_ALWAYS_SOFTWARE", "1");
                command.env("KWIN_COMPOSE", "Q");
                Ok(command)
            }
        }
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    // Replaced by the compositor, so that its process is ours to wait for.
    command.arg("-c").arg(format!("exec {line}"));
    command
}

fn preset_line(preset: Preset, program: &Path, dir: &Path) -> io::Result<String> {
    let (width, height) = SIZE;
    let path = quoted(program);
    Ok(match preset {
        Preset::Selkie => {
            format!("{path} compositor --backend headless --screencopy --size {width}x{height}")
        }
        Preset::Weston => {
            let config = dir.join("weston.ini");
            fs::write(
                &config,
                "[shell]\npanel-position=none\nlocking=false\nanimation=none\nstartup-animation=none\nclose-animation=none\n",
            )?;
            let old = Command::new(program).arg("--version").output();
            let old = old.is_ok_and(|output| {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let major =
                    text.trim().strip_prefix("weston ").and_then(|rest| rest.split('.').next()?.parse().ok());
                major.is_some_and(|major: u32| major < 12)
            });
            let renderer = if old { "--use-pixman" } else { "--renderer=pixman" };
            format!(
                "{path} --config={} --backend=headless-backend.so {renderer} --width={width} --height={height} \
                 --idle-time=0 --debug --socket=wayland-check",
                quoted(&config)
            )
        }
        Preset::Sway => {
            let config = dir.join("sway.conf");
            let text = format!(
                "xwayland disable\noutput HEADLESS-1 mode --custom {width}x{height}@60Hz\ndefault_border none\n\
                 seat * hide_cursor 1\n"
            );
            fs::write(&config, text)?;
            let line = format!("{path} -D noscanout -c {}", quoted(&config));
            not_as_root(dir, &line)?
        }
        Preset::Cage => not_as_root(dir, &format!("{path} -d -- sleep infinity"))?,
        Preset::Labwc => path,
        Preset::Mutter => format!(
            "dbus-run-session -- {path} --headless --wayland --no-x11 --virtual-monitor {width}x{height} \
             --wayland-display wayland-check"
        ),
        Preset::Kwin => format!(
            "dbus-run-session -- {} --virtual --width {width} --height {height} --socket wayland-check \
             --no-lockscreen --no-global-shortcuts",
            quoted(&without_capabilities(program, dir)?)
        ),
    })
}

/// A command line for a program that refuses to run as root: as root, it becomes user 1000 of a user namespace of its
/// own; where that is forbidden (a chroot, many containers), it becomes nobody, and the directory nobody's.
fn not_as_root(dir: &Path, line: &str) -> io::Result<String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(line.to_owned());
    }
    // Asked for once more, because a change of credentials clears it.
    let dying = "setpriv --pdeathsig KILL --";
    let namespace = ["--user", "--map-user=1000", "--map-group=1000", "--"];
    let works = Command::new("unshare").args(namespace).arg("true").output();
    if works.is_ok_and(|output| output.status.success()) {
        return Ok(format!("unshare {} {dying} {line}", namespace.join(" ")));
    }
    for path in [dir, &dir.join("run")] {
        chown(path, Some(65534), Some(65534))?;
    }
    Ok(format!("setpriv --reuid=65534 --regid=65534 --clear-groups -- {dying} {line}"))
}

/// A program that can be started here: its file, or, where the file's capabilities (capabilities(7)) are more than may be
/// had, as in many containers, a copy of it in `dir`, which has none.
fn without_capabilities(program: &Path, dir: &Path) -> io::Result<PathBuf> {
    match Command::new(program).arg("--version").output() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Under its own name, by which some tell themselves from others.
            let copy = dir.join(program.file_name().unwrap_or_default());
            fs::copy(program, &copy)?;
            Ok(copy)
        }
        _ => Ok(program.to_owned()),
    }
}

/// For a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Where a program is on `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| {
        fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}
