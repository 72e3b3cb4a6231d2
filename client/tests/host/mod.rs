//! A weston of our own, headless, for as long as a test runs.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use selkie_client::stamp::Screenshot;
use selkie_client::{Config, Size};

pub struct Weston {
    child: Child,
    dir: tempfile::TempDir,
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
            Err(error) => {
                assert!(std::env::var_os("SELKIE_REQUIRE_HOSTS").is_none(), "weston: {error}");
                eprintln!("skipped: weston cannot be started: {error}");
                return None;
            }
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
        if let Some(keep) = std::env::var_os("SELKIE_KEEP_SHOTS") {
            std::fs::copy(&file, keep).unwrap();
        }
        read_png(&file)
    }
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

fn read_png(path: &std::path::Path) -> Shot {
    let mut decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
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
