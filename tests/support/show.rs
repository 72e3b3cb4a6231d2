//! Running `selkie client` for a configuration, and waiting until its last frame is on the screen.

use selkie_client::{BufferKind, Config, Redraw, Seals, Size, Subsurface, stamp};

use super::{Host, Image, Process};

/// A client whose last frame stays on the screen, until this is dropped.
#[must_use]
pub struct Shown {
    /// Its process.
    pub process: Process,
    /// The number of the last frame that it was told was presented.
    pub frame: u32,
}

impl Host {
    /// Starts `selkie client` with a configuration that says how many frames, and waits until the last
    /// one is on the screen, as the compositor says.
    pub fn show(&self, config: &Config) -> Shown {
        let mut process = self.selkie_client_piped(&arguments(config));
        let frame = process.wait_for_line("holding frame ").parse().unwrap();
        Shown { process, frame }
    }
}

impl Shown {
    /// Ends it cleanly.
    pub fn end(mut self) {
        let status = self.process.terminate();
        assert!(status.success(), "{status}: {}", self.process.log());
    }
}

impl Image {
    /// It, as the stamps are searched in.
    pub fn view(&self) -> stamp::Screenshot<'_> {
        let size = Size::new(self.width as u32, self.height as u32);
        stamp::Screenshot { pixels: &self.pixels, stride: self.width, size }
    }
}

/// The command line of `selkie client` for a configuration, with `--hold`.
///
/// # Panics
/// If there is something in it that the command line cannot say.
pub fn arguments(config: &Config) -> Vec<String> {
    let Config { display: None, memory: selkie_client::Memory::Memfd, shrink_after: None, .. } = config
    else {
        panic!("not for the command line: {config:?}");
    };
    assert_eq!((config.seals, config.feedback), (Some(Seals::SEAL.union(Seals::SHRINK)), true));
    let scene = &config.scene;
    let mut line = vec!["--hold".to_owned()];
    let mut add = |name: &str, value: String| line.extend([format!("--{name}"), value]);
    add("pattern", config.pattern.to_string());
    add("size", config.size.to_string());
    add("format", config.format.to_string());
    add("buffers", config.buffers.to_string());
    add("frames", config.frames.expect("a number of frames").to_string());
    add("transform", scene.transform.name().to_owned());
    add("scale", scene.scale.max(1).to_string());
    add("stride-padding", scene.stride_padding.to_string());
    add("offset", scene.offset.to_string());
    if let Some((x, y, w, h)) = scene.viewport_source {
        add("crop", format!("{x},{y},{w},{h}"));
    }
    if let Some(size) = scene.viewport_destination {
        add("scale-to", size.to_string());
    }
    if let Some(frames) = scene.freeze_main_after {
        add("freeze-main-after", frames.to_string());
    }
    match config.redraw {
        Redraw::Full => {}
        Redraw::Never => add("redraw", "never".to_owned()),
        Redraw::Patch(edge) => add("redraw", edge.to_string()),
    }
    for Subsurface { position: (x, y), size, pattern, format, alpha, sync, below } in &scene.subsurfaces {
        let flag = |on: bool, word: &'static str| if on { word } else { "" };
        let flags = [flag(*alpha, ",alpha"), flag(!sync, ",desync"), flag(*below, ",below")].concat();
        add("subsurface", format!("{x},{y},{size},{pattern},{format}{flags}"));
    }
    if config.buffer != BufferKind::Shm {
        add("buffer", config.buffer.to_string());
    }
    if let Some(device) = &config.device {
        add("device", device.display().to_string());
    }
    if let Some(report) = &config.report {
        add("report", report.display().to_string());
    }
    let flags = [
        (config.alpha, "--alpha"),
        (!config.pace, "--no-pace"),
        (!config.resizable, "--fixed-size"),
        (scene.clear_unused, "--clear-unused"),
    ];
    line.extend(flags.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned()));
    line
}
