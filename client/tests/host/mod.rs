//! Compositors that nobody here wrote, headless, each for as long as a test runs.

#![allow(dead_code, clippy::unwrap_used)] // every test program uses its part of this

use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode};
use selkie_client::stamp::{self, CELL, Screenshot, Stamp};
use selkie_client::{Config, Ended, Event, Hooks, Picture, Size, Statistics};

pub struct Weston {
    child: Child,
    dir: tempfile::TempDir,
}

/// A sway of our own: it tiles, so it tells every window its size.
pub struct Sway {
    child: Child,
    dir: tempfile::TempDir,
    display: String,
}

/// A screenshot of the whole output.
pub struct Shot {
    pub pixels: Vec<u32>,
    pub size: Size,
}

impl Weston {
    /// Starts weston; None, with the reason printed, where it is not installed.
    pub fn start() -> Option<Weston> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let ini = "[core]\nidle-time=0\n[shell]\nanimation=none\nstartup-animation=none\n\
                   close-animation=none\npanel-position=none\nlocking=false\n";
        std::fs::write(dir.path().join("weston.ini"), ini).unwrap();
        let notify = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let started = Command::new("weston")
            .args(["--backend=headless-backend.so", "--use-pixman", "--width=1280", "--height=720"])
            .args(["--socket=host", "--debug", "--modules=systemd-notify.so"])
            .arg(format!("--config={}", dir.path().join("weston.ini").display()))
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => return skip(&format!("weston cannot be started: {error}")),
        };
        let weston = Weston { child, dir };
        // weston says READY=1 to NOTIFY_SOCKET once its socket listens.
        notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut message = [0; 256];
        let length = notify.recv(&mut message).unwrap_or_else(|error| {
            panic!("weston did not get ready ({error}):\n{}", weston.log());
        });
        assert!(String::from_utf8_lossy(&message[..length]).contains("READY=1"));
        // Its desktop covers everything with black until its background is there.
        let deadline = Instant::now() + Duration::from_secs(20);
        while weston.screenshot().pixels.iter().all(|p| *p == 0xff00_0000) {
            assert!(Instant::now() < deadline, "weston stays black:\n{}", weston.log());
        }
        Some(weston)
    }

    pub fn log(&self) -> String {
        let mut log = String::new();
        let _ = std::fs::File::open(self.dir.path().join("log")).and_then(|mut f| f.read_to_string(&mut log));
        log
    }

    /// A client of this compositor that gives up rather than hang.
    pub fn config(&self) -> Config {
        let socket = self.dir.path().join("host");
        Config {
            display: Some(socket.to_str().unwrap().to_owned()),
            deadline: Some(Duration::from_secs(30)),
            ..Config::default()
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn screenshot(&self) -> Shot {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let status = Command::new("weston-screenshooter")
            .current_dir(dir.path())
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env("WAYLAND_DISPLAY", "host")
            .status()
            .unwrap();
        assert!(status.success(), "{}", self.log());
        let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        read_png(&file)
    }
}

impl Sway {
    /// Starts sway with one output of 1280x720; None, with the reason printed, where that cannot be done.
    pub fn start() -> Option<Sway> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let ready = dir.path().join("ready");
        rustix::fs::mknodat(rustix::fs::CWD, &ready, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let config = dir.path().join("config");
        let text = format!(
            "output * resolution 1280x720 position 0 0 bg #204060 solid_color\ndefault_border none\n\
             default_floating_border none\nexec echo $WAYLAND_DISPLAY > {}\n",
            ready.display()
        );
        std::fs::write(&config, text).unwrap();
        // sway refuses to run as root; as somebody else in a namespace of its own it still may use our directory.
        let mut command = Command::new("sway");
        if rustix::process::geteuid().is_root() {
            command = Command::new("unshare");
            command.args(["--user", "--map-user=1000", "--map-group=1000", "sway"]);
        }
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let started = command
            .args(["-d", "-c"])
            .arg(&config)
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("WLR_BACKENDS", "headless")
            .env("WLR_RENDERER", "pixman")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => return skip(&format!("sway cannot be started: {error}")),
        };
        let mut sway = Sway { child, dir, display: String::new() };
        // Opened for writing too, so that it is not at its end before sway's shell has opened it.
        let fifo = std::fs::OpenOptions::new().read(true).write(true).open(&ready).unwrap();
        let mut polled = [PollFd::new(&fifo, PollFlags::IN)];
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        if rustix::event::poll(&mut polled, Some(&patience)).unwrap() == 0
            || sway.child.try_wait().unwrap().is_some()
        {
            let log = std::fs::read_to_string(sway.dir.path().join("log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(5).collect();
            return skip(&format!("sway did not start: {end:?}"));
        }
        BufReader::new(fifo).read_line(&mut sway.display).unwrap();
        sway.display = sway.display.trim().to_owned();
        Some(sway)
    }

    /// A client of this compositor that gives up rather than hang.
    pub fn config(&self) -> Config {
        let socket = self.dir.path().join(&self.display);
        Config {
            display: Some(socket.to_str().unwrap().to_owned()),
            deadline: Some(Duration::from_secs(30)),
            ..Config::default()
        }
    }

    pub fn screenshot(&self) -> Shot {
        let file = self.dir.path().join("shot.png");
        let status = Command::new("grim")
            .arg(&file)
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .env("WAYLAND_DISPLAY", &self.display)
            .status()
            .unwrap();
        assert!(status.success());
        read_png(&file)
    }
}

impl Drop for Sway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says why a test is skipped; where hosts are required, that is a failure.
fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("SELKIE_REQUIRE_HOSTS").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

impl Drop for Weston {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shot {
    pub fn view(&self) -> Screenshot<'_> {
        Screenshot { pixels: &self.pixels, stride: self.size.width as usize, size: self.size }
    }

    /// The pixels of a part of it, `0xFFRRGGBB`.
    pub fn part(&self, origin: (u32, u32), size: Size) -> Vec<u32> {
        let row = |y: u32| {
            let start = ((origin.1 + y) * self.size.width + origin.0) as usize;
            &self.pixels[start..start + size.width as usize]
        };
        (0..size.height).flat_map(|y| row(y).iter().copied()).collect()
    }
}

/// Runs the client until its last frame is on the screen, lets `look` look, and ends it.
pub fn while_shown(config: Config, look: impl FnOnce(Picture)) -> Statistics {
    let (stopper, stop) = selkie_client::stopper().unwrap();
    let (shown, wait) = mpsc::channel();
    let config = Config { hold: true, ..config };
    let client = thread::spawn(move || {
        let mut last = None;
        let observer = Box::new(move |event: &Event<'_>| {
            match event {
                Event::Configured { picture, .. } => last = Some(*picture),
                Event::Held => shown.send(last.unwrap()).unwrap(),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        selkie_client::run_with(config, Hooks { stop: Some(stop), observer: Some(observer) })
    });
    match wait.recv() {
        Ok(picture) => look(picture),
        Err(_) => panic!("{:?}", client.join().unwrap().1),
    }
    stopper.stop();
    let (statistics, result) = client.join().unwrap();
    result.unwrap();
    assert_eq!(statistics.ended, Ended::Stopped);
    statistics
}

/// Finds the picture on the screen by its stamp, and compares every pixel.
pub fn check_exact(shot: &Shot, picture: &Picture, frame: u32) -> (u32, u32) {
    let (found, stamp) = stamp::find(shot.view()).unwrap();
    let expected = Stamp { frame, size: picture.size, pattern: picture.pattern.number() };
    assert_eq!((found.cell, stamp), (CELL, expected));
    let seen = shot.part(found.origin, picture.size);
    let expected = picture.shown_on_black(frame);
    let wrong = seen.iter().zip(&expected).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "{wrong} wrong pixels in frame {frame} of {picture:?}");
    found.origin
}

fn read_png(path: &std::path::Path) -> Shot {
    let mut decoder = png::Decoder::new(BufReader::new(std::fs::File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let channels = info.color_type.samples();
    let pixels = bytes[..info.buffer_size()]
        .chunks_exact(channels)
        .map(|p| 0xff00_0000 | u32::from(p[0]) << 16 | u32::from(p[1]) << 8 | u32::from(p[2]))
        .collect();
    Shot { pixels, size: Size::new(info.width, info.height) }
}
