//! Compositors to show something in: weston and sway as others wrote them, and selkie as just built.
//! All headless, drawing on the CPU, with nothing on the screen but the client: no panel, no border,
//! no fade, one colour behind. So a picture can be compared to the last bit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::image::Image;
use super::process::{Process, RuntimeDir, eventually, program, wait_for_socket};

/// Which compositor a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// weston: a window has the size it chose and lies anywhere within the first 410 pixels each way;
    /// [`Image::bounds`] finds it.
    Weston,
    /// sway, tiling: one window fills the output.
    Sway,
    /// The program under test.
    Selkie,
}

/// A running compositor. It and what it started are gone when this is dropped.
#[derive(Debug)]
pub struct Host {
    /// Its process.
    pub process: Process,
    /// Where its socket is, and where its clients write.
    pub dir: RuntimeDir,
    /// Which one it is.
    pub kind: Kind,
    socket: String,
    capture: Option<Image>,
    pictures: u32,
}

impl Host {
    /// Starts weston, if it is installed.
    pub fn weston(width: u32, height: u32) -> Option<Self> {
        Self::weston_on(None, width, height)
    }

    /// Starts weston, if it is installed, nested in the compositor at a socket.
    pub fn weston_inside(display: &Path, width: u32, height: u32) -> Option<Self> {
        Self::weston_on(Some(display), width, height)
    }

    fn weston_on(display: Option<&Path>, width: u32, height: u32) -> Option<Self> {
        let binary = program("weston")?;
        let dir = RuntimeDir::new();
        let version = Command::new(&binary).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let major = version.trim().strip_prefix("weston ").and_then(|v| v.split('.').next()?.parse().ok());
        // Its kiosk shell would fill the screen with a window, but hides it where there is no seat.
        let config = dir.file("weston.ini");
        let text = "[shell]\npanel-position=none\nbackground-color=0xff000000\nlocking=false\n\
                    animation=none\nstartup-animation=none\nclose-animation=none\n";
        fs::write(&config, text).unwrap();
        let mut command = dir.command(binary);
        command.arg(format!("--config={}", config.display()));
        match display {
            None => command.arg("--backend=headless-backend.so"),
            // Without a frame around it.
            Some(path) => {
                command.args(["--backend=wayland-backend.so", "--fullscreen"]).env("WAYLAND_DISPLAY", path)
            }
        };
        command.arg(if major.unwrap_or(10) < 12 { "--use-pixman" } else { "--renderer=pixman" });
        // --debug offers the screenshot interface to everybody.
        command.args(["--socket=weston-0", "--idle-time=0", "--debug"]);
        command.args([format!("--width={width}"), format!("--height={height}")]);
        let mut process = dir.spawn("weston", command);
        wait_for_socket(&mut process, &dir.path().join("weston-0"));
        Some(Self::new(Kind::Weston, process, dir, "weston-0".to_owned()))
    }

    /// Starts sway, if it is installed.
    pub fn sway(width: u32, height: u32) -> Option<Self> {
        Self::sway_scaled(width, height, 1)
    }

    /// Starts sway, if it is installed, with an output that has so many pixels per unit each way.
    pub fn sway_scaled(width: u32, height: u32, scale: u32) -> Option<Self> {
        Self::sway_on(None, width, height, scale)
    }

    /// Starts sway, if it is installed, nested in the compositor at a socket, which nobody may be the one to open.
    pub fn sway_inside(display: &Path, width: u32, height: u32) -> Option<Self> {
        Self::sway_on(Some(display), width, height, 1)
    }

    fn sway_on(display: Option<&Path>, width: u32, height: u32, scale: u32) -> Option<Self> {
        let binary = program("sway")?;
        let dir = RuntimeDir::new();
        let (config, name) = (dir.file("sway.conf"), dir.file("socket-name"));
        // It chooses its socket's name itself, so its first act is to tell us; the rename makes sure
        // that the name is read whole.
        let output = if display.is_some() { "WL-1" } else { "HEADLESS-1" };
        let text = format!(
            "xwayland disable\n\
             output {output} mode --custom {width}x{height}@60Hz scale {scale}\n\
             default_border none\n\
             seat * hide_cursor 1\n\
             exec printf %s \"$WAYLAND_DISPLAY\" > {name}.new && mv {name}.new {name}\n",
            name = name.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = not_as_root(&dir, &binary);
        match display {
            // A window that fills the output is to be drawn like any other.
            None => command.args(["-D", "noscanout"]).env("WLR_BACKENDS", "headless"),
            Some(path) => command.env("WLR_BACKENDS", "wayland").env("WAYLAND_DISPLAY", path),
        };
        command.arg("-c").arg(&config);
        command.env("WLR_RENDERER", "pixman").env("WLR_LIBINPUT_NO_DEVICES", "1");
        let mut process = dir.spawn("sway", command);
        let socket = eventually("sway to say its socket's name", || {
            process.assert_alive();
            fs::read_to_string(&name).map_err(|e| e.to_string())
        });
        wait_for_socket(&mut process, &dir.path().join(&socket));
        Some(Self::new(Kind::Sway, process, dir, socket))
    }

    /// Starts `selkie compositor --backend headless` with more arguments (`--size`, `--policy`, ...).
    pub fn selkie(args: &[&str]) -> Self {
        let dir = RuntimeDir::new();
        let mut command = Self::selkie_command(&dir);
        command.arg("--capture").arg(dir.file("capture.png"));
        command.args(["--backend", "headless"]).args(args);
        Self::start_selkie(dir, command)
    }

    /// [`Host::selkie`] as users run it, for measurements: it keeps no picture and logs only what is wrong.
    pub fn selkie_plain(args: &[&str]) -> Self {
        let dir = RuntimeDir::new();
        let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
        command.args(["compositor", "--backend", "headless"]).args(args).env("SELKIE_LOG", "warn");
        Self::start_selkie(dir, command)
    }

    /// Starts `selkie compositor --backend wayland`, nested in this host, with more arguments. It gives no picture:
    /// one that has to keep it composes everything. The host gives one.
    pub fn selkie_inside(&self, args: &[&str]) -> Self {
        Self::selkie_at(&self.socket(), args)
    }

    /// [`Host::selkie_inside`] for a host with that socket.
    pub fn selkie_at(socket: &Path, args: &[&str]) -> Self {
        let dir = RuntimeDir::new();
        let mut command = Self::selkie_command(&dir);
        // A path instead of a name: the host lives in a runtime directory of its own.
        command.env("WAYLAND_DISPLAY", socket).args(["--backend", "wayland"]).args(args);
        Self::start_selkie(dir, command)
    }

    /// [`Host::selkie_plain`], nested in the compositor at a socket.
    pub fn selkie_plain_inside(display: &Path, args: &[&str]) -> Self {
        let dir = RuntimeDir::new();
        let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
        command.args(["compositor", "--backend", "wayland"]).args(args);
        command.env("WAYLAND_DISPLAY", display).env("SELKIE_LOG", "warn");
        Self::start_selkie(dir, command)
    }

    fn selkie_command(dir: &RuntimeDir) -> Command {
        let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
        command.arg("compositor");
        command.env("SELKIE_LOG", std::env::var("SELKIE_LOG").unwrap_or_else(|_| "debug".to_owned()));
        command.env("RUST_BACKTRACE", "1");
        command
    }

    fn start_selkie(dir: RuntimeDir, command: Command) -> Self {
        let mut process = Process::spawn_piped("selkie", command, dir.path().parent().unwrap());
        let socket = process.wait_for_line("WAYLAND_DISPLAY=");
        Self::new(Kind::Selkie, process, dir, socket)
    }

    fn new(kind: Kind, process: Process, dir: RuntimeDir, socket: String) -> Self {
        Self { process, dir, kind, socket, capture: None, pictures: 0 }
    }

    /// The colour of its screen where there is no client.
    pub fn background(&self) -> u32 {
        match self.kind {
            Kind::Weston | Kind::Sway => 0,
            Kind::Selkie => 0x20_242c,
        }
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join(&self.socket)
    }

    /// The name of its socket, as in `WAYLAND_DISPLAY`.
    pub fn socket_name(&self) -> &str {
        &self.socket
    }

    /// A command whose Wayland display is this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.dir.command(program);
        command.env("WAYLAND_DISPLAY", &self.socket);
        command
    }

    /// Starts a client with arguments.
    pub fn client(&self, program: &str, args: &[&str]) -> Process {
        let mut command = self.command(program);
        command.args(args);
        self.spawn(command)
    }

    /// Starts `selkie client` with arguments.
    pub fn selkie_client(&self, args: &[&str]) -> Process {
        let mut command = self.command(env!("CARGO_BIN_EXE_selkie"));
        command.arg("client").args(args).env("RUST_BACKTRACE", "1");
        self.spawn(command)
    }

    /// Starts `selkie client` with its standard output to be read by [`Process::wait_for_line`].
    pub fn selkie_client_piped(&self, args: &[String]) -> Process {
        let mut command = self.command(env!("CARGO_BIN_EXE_selkie"));
        command.arg("client").args(args).env("RUST_BACKTRACE", "1");
        Process::spawn_piped("selkie-client", command, self.dir.path().parent().unwrap())
    }

    /// Starts a command made with [`Host::command`].
    pub fn spawn(&self, command: Command) -> Process {
        let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        self.dir.spawn(&name, command)
    }

    /// Ends it with SIGTERM.
    pub fn terminate(&mut self) -> ExitStatus {
        self.process.terminate()
    }

    /// What is on its screen. weston and sway are asked by their screenshot programs and go on; selkie
    /// writes its picture when it ends, so this ends it (cleanly, or the test fails), and gives the
    /// same picture when called again.
    ///
    /// # Panics
    /// If no picture can be had.
    pub fn screenshot(&mut self) -> Image {
        self.process.assert_alive_or_captured(self.capture.is_some());
        match self.kind {
            Kind::Weston => {
                self.pictures += 1;
                let dir = self.dir.file(&format!("shot-{}", self.pictures));
                fs::create_dir(&dir).unwrap();
                let mut command = self.command("weston-screenshooter");
                command.env_remove("XDG_PICTURES_DIR").current_dir(&dir);
                self.run(command);
                let file = fs::read_dir(&dir).unwrap().next().expect("weston-screenshooter wrote a file");
                Image::load(&file.unwrap().path()).unwrap()
            }
            Kind::Sway => {
                self.pictures += 1;
                let file = self.dir.file(&format!("shot-{}.png", self.pictures));
                let mut command = self.command("grim");
                command.args(["-t", "png"]).arg(&file);
                self.run(command);
                Image::load(&file).unwrap()
            }
            Kind::Selkie => {
                if self.capture.is_none() {
                    let status = self.terminate();
                    assert!(status.success(), "selkie ended with {status}:\n{}", self.process.log());
                    self.capture = Some(Image::load(&self.dir.file("capture.png")).unwrap());
                }
                self.capture.clone().unwrap()
            }
        }
    }

    /// Takes pictures until one is as wanted, because a client of others does not say when it is to
    /// be seen. Not for selkie, which gives one picture only.
    ///
    /// # Panics
    /// When the deadline passes first; the last picture is left in `target/pictures/`.
    pub fn screenshot_until(&mut self, what: &str, wanted: impl Fn(&Image) -> bool) -> Image {
        assert_ne!(self.kind, Kind::Selkie, "selkie is asked by its report, not by pictures");
        let name = format!("waiting-{:?}-{}.png", self.kind, std::process::id());
        let file = super::image::pictures().join(name);
        eventually(what, || {
            let image = self.screenshot();
            if wanted(&image) {
                let _ = fs::remove_file(&file);
                return Ok(image);
            }
            image.save(&file);
            Err(format!("the last picture is {}", file.display()))
        })
    }

    fn run(&self, command: Command) {
        let mut process = self.spawn(command);
        let status = process.wait();
        assert!(status.success(), "{status}:\n{}", process.log());
    }
}

impl Process {
    fn assert_alive_or_captured(&mut self, captured: bool) {
        if !captured {
            self.assert_alive();
        }
    }
}

/// A command for a program that refuses to run as root: as root, it becomes user 1000 of a user
/// namespace of its own; where that is forbidden (a chroot, many containers), it becomes nobody, and
/// the directory nobody's.
fn not_as_root(dir: &RuntimeDir, binary: &Path) -> Command {
    // Asked for once more here because a change of credentials clears it.
    let dying = ["setpriv", "--pdeathsig", "KILL", "--"];
    if !rustix::process::geteuid().is_root() {
        return dir.command(binary);
    }
    let namespace = ["--user", "--map-user=1000", "--map-group=1000", "--"];
    let works = Command::new("unshare").args(namespace).arg("true").output();
    let mut command = if works.is_ok_and(|output| output.status.success()) {
        let mut command = dir.command("unshare");
        command.args(namespace).args(dying);
        command
    } else {
        dir.give_to(65534, 65534);
        let mut command = dir.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).args(dying);
        command
    };
    command.arg(binary);
    command
}
