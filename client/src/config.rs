//! What the client is asked to do.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use shm_core::seals::Seals;

use crate::format::Format;
use crate::pattern::Pattern;
use crate::picture::Picture;
use crate::source::BufferKind;

/// A size in pixels, or in surface coordinates where that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// The longest edge the client draws, in pixels. Screens and pixman end here too.
    pub const MAX_EDGE: u32 = 16384;

    /// A size of `width` by `height`.
    pub const fn new(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    /// The same with the edges exchanged.
    pub const fn swapped(self) -> Size {
        Size::new(self.height, self.width)
    }

    /// The nearest size that can be drawn: no edge shorter than 1 or longer than [`Size::MAX_EDGE`].
    pub fn clamped(self) -> Size {
        Size::new(self.width.clamp(1, Size::MAX_EDGE), self.height.clamp(1, Size::MAX_EDGE))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = ConfigError;

    /// Takes `WIDTHxHEIGHT`, each from 1 to [`Size::MAX_EDGE`].
    fn from_str(s: &str) -> Result<Size, ConfigError> {
        let edge = |s: &str| s.parse().ok().filter(|edge| (1..=Size::MAX_EDGE).contains(edge));
        s.split_once(['x', 'X'])
            .and_then(|(w, h)| Some(Size::new(edge(w)?, edge(h)?)))
            .ok_or_else(|| ConfigError::BadSize(s.to_owned()))
    }
}

/// Where the memory behind the buffers comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// `memfd_create(2)`, with [`Config::seals`].
    Memfd,
    /// `shm_open(3)`, unlinked at once. It can never be sealed.
    PosixShm,
    /// A file at this path, which must not exist yet; its name is removed at once. It can never be sealed.
    File(PathBuf),
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Memfd => f.write_str("memfd"),
            Memory::PosixShm => f.write_str("posix shm"),
            Memory::File(_) => f.write_str("file"),
        }
    }
}

/// How much of each frame is drawn anew, and said to be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redraw {
    /// Everything.
    Full,
    /// A square of this edge, in buffer pixels, in the middle of the picture. The rest, stamps included,
    /// is frame 0 for ever.
    Patch(u32),
    /// Nothing: every buffer is drawn once, with frame 0, and then committed again and again with full
    /// damage. Measures a compositor without the cost of drawing.
    Never,
}

/// `wl_output.transform`: how the content of the buffer was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)] // the names are those of the protocol
pub enum Transform {
    #[default]
    Normal,
    Rotate90,
    Rotate180,
    Rotate270,
    Flipped,
    Flipped90,
    Flipped180,
    Flipped270,
}

impl Transform {
    /// Every transform, in the order of the protocol.
    pub const ALL: [Transform; 8] = [
        Transform::Normal,
        Transform::Rotate90,
        Transform::Rotate180,
        Transform::Rotate270,
        Transform::Flipped,
        Transform::Flipped90,
        Transform::Flipped180,
        Transform::Flipped270,
    ];

    /// Whether width and height of buffer and surface are exchanged.
    pub const fn swaps(self) -> bool {
        use Transform::*;
        matches!(self, Rotate90 | Rotate270 | Flipped90 | Flipped270)
    }

    /// The name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Transform::Normal => "normal",
            Transform::Rotate90 => "90",
            Transform::Rotate180 => "180",
            Transform::Rotate270 => "270",
            Transform::Flipped => "flipped",
            Transform::Flipped90 => "flipped-90",
            Transform::Flipped180 => "flipped-180",
            Transform::Flipped270 => "flipped-270",
        }
    }
}

impl FromStr for Transform {
    type Err = ConfigError;

    fn from_str(s: &str) -> Result<Transform, ConfigError> {
        Transform::ALL
            .into_iter()
            .find(|t| t.name() == s)
            .ok_or_else(|| ConfigError::UnknownTransform(s.to_owned()))
    }
}

/// How the pictures are laid out in memory and put on their surfaces. What tests of a compositor's
/// arithmetic turn; the default is one plain surface.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    /// `wl_surface.set_buffer_transform`.
    pub transform: Transform,
    /// `wl_surface.set_buffer_scale`; 0 and 1 both mean unscaled. The buffer is this many times as
    /// large as the surface.
    pub scale: u32,
    /// `wp_viewport.set_source`: x, y, width, height, in surface coordinates before cropping.
    pub viewport_source: Option<(f64, f64, f64, f64)>,
    /// `wp_viewport.set_destination`, in surface coordinates. The window then has this size and its
    /// buffers keep the one they were made for, whatever the compositor asks.
    pub viewport_destination: Option<Size>,
    /// Subsurfaces, from bottom to top.
    pub subsurfaces: Vec<Subsurface>,
    /// Unused bytes at the end of every row.
    pub stride_padding: u32,
    /// Unused bytes before every buffer; without it a buffer starts at a page.
    pub offset: u32,
    /// Leave the unused bits of an X format zero instead of one, to catch a compositor that takes them
    /// for alpha. (Some screenshot tools do, too.)
    pub clear_unused: bool,
    /// After this many frames the main surface is not committed any more, only its subsurfaces: a
    /// synchronised one then stands still, a desynchronised one goes on. From then on the compositor's
    /// answers, not its frame callbacks, set the pace, and frames count as neither presented nor
    /// discarded.
    pub freeze_main_after: Option<u64>,
}

/// One subsurface.
#[derive(Debug, Clone, PartialEq)]
pub struct Subsurface {
    /// `wl_subsurface.set_position`, in surface coordinates of the main surface.
    pub position: (i32, i32),
    /// Its size, in pixels and surface coordinates alike.
    pub size: Size,
    /// What it shows.
    pub pattern: Pattern,
    /// Its format.
    pub format: Format,
    /// As [`Config::alpha`].
    pub alpha: bool,
    /// Whether it is synchronised with its parent.
    pub sync: bool,
    /// Whether it is under the main surface instead of on it (`wl_subsurface.place_below`).
    pub below: bool,
}

/// Everything the client is told. [`Config::default`] is a plain window that follows the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The compositor: a socket's name in `XDG_RUNTIME_DIR`, or its full path. `None` takes what the
    /// environment says (`WAYLAND_SOCKET`, `WAYLAND_DISPLAY`).
    pub display: Option<String>,
    /// The window's title.
    pub title: String,
    /// What it shows.
    pub pattern: Pattern,
    /// The window's size in surface coordinates, until the compositor asks for another.
    pub size: Size,
    /// Whether the window follows the sizes that the compositor asks for. If not, it also says so by its
    /// minimum and maximum size, and tiling compositors let it float.
    pub resizable: bool,
    /// The format of the main surface.
    pub format: Format,
    /// With a format that has alpha: the right half of the picture fades from opaque at the top to
    /// transparent at the bottom (its stamps do not).
    pub alpha: bool,
    /// Buffers per surface, all in one pool.
    pub buffers: u32,
    /// Frames to show; `None` goes on until the window is closed.
    pub frames: Option<u64>,
    /// After the last frame: keep it on the screen until the window is closed or the run is stopped.
    pub hold: bool,
    /// Wait for the compositor's frame callback before drawing. If not, a frame is committed as soon
    /// as a buffer is free.
    pub pace: bool,
    /// How much of a frame is drawn.
    pub redraw: Redraw,
    /// Whether to ask for presentation feedback, where the compositor offers it.
    pub feedback: bool,
    /// What the buffers are made of.
    pub buffer: BufferKind,
    /// The device that dma-bufs come from, for `dumb` and `gbm` a node in `/dev/dri`, for `dma-heap` one in
    /// `/dev/dma_heap`. None: the compositor's, or the first that works.
    pub device: Option<PathBuf>,
    /// The kind of memory behind a pool, or a udmabuf.
    pub memory: Memory,
    /// The seals a memfd gets before the compositor sees it. `None`: it is made without
    /// `MFD_ALLOW_SEALING`, and nobody can ever seal it. Some(empty): nobody has, but could.
    pub seals: Option<Seals>,
    /// Layout in memory and on the surfaces.
    pub scene: Scene,
    /// Misbehaviour: after this many presented frames try to shrink the memory with `ftruncate(2)` to
    /// [`Config::shrink_to`] bytes, then go on committing without drawing.
    pub shrink_after: Option<u64>,
    /// See [`Config::shrink_after`].
    pub shrink_to: u64,
    /// Where to write one line of JSON per frame, and one at the end.
    pub report: Option<PathBuf>,
    /// Give up with [`crate::ClientError::Deadline`] after this long.
    pub deadline: Option<Duration>,
    /// End with statistics on SIGINT and SIGTERM. Only for a program with a single thread: the
    /// signals are blocked in the calling thread.
    pub signals: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            display: None,
            title: "selkie client".to_owned(),
            pattern: Pattern::Bars,
            size: Size::new(640, 480),
            resizable: true,
            format: Format::Xrgb8888,
            alpha: false,
            buffers: 3,
            frames: None,
            hold: false,
            pace: true,
            redraw: Redraw::Full,
            feedback: true,
            buffer: BufferKind::Shm,
            device: None,
            memory: Memory::Memfd,
            seals: Some(Seals::SEAL.union(Seals::SHRINK)),
            scene: Scene::default(),
            shrink_after: None,
            shrink_to: 4096,
            report: None,
            deadline: None,
            signals: false,
        }
    }
}

impl Config {
    /// The most buffers per surface.
    pub const MAX_BUFFERS: u32 = 64;

    /// Checks what can be checked without a compositor.
    ///
    /// # Errors
    ///
    /// What does not make sense, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let edges = [Some(self.size), self.scene.viewport_destination];
        let subsurfaces = self.scene.subsurfaces.iter().map(|s| s.size);
        for size in edges.into_iter().flatten().chain(subsurfaces) {
            if size != size.clamped() {
                return Err(ConfigError::BadSize(size.to_string()));
            }
        }
        if !(1..=Config::MAX_BUFFERS).contains(&self.buffers) {
            return Err(ConfigError::BadBuffers(self.buffers));
        }
        if self.scene.scale > 16 {
            return Err(ConfigError::BadScale(self.scene.scale));
        }
        if self.memory == Memory::Memfd && self.seals.is_some_and(|s| s.contains(Seals::WRITE)) {
            return Err(ConfigError::WriteSealed);
        }
        if self.shrink_after.is_some() && !matches!(self.buffer, BufferKind::Shm | BufferKind::Auto) {
            return Err(ConfigError::CannotShrink(self.buffer));
        }
        Ok(())
    }

    /// The picture on the main surface when the window has `size` (in surface coordinates).
    pub fn picture(&self, size: Size) -> Picture {
        let scale = self.scene.scale.max(1);
        let scaled = Size::new(size.width.saturating_mul(scale), size.height.saturating_mul(scale));
        let size = if self.scene.transform.swaps() { scaled.swapped() } else { scaled };
        Picture { pattern: self.pattern, size, format: self.format, alpha: self.alpha, stamp: true }
    }
}

impl Subsurface {
    /// The picture on this subsurface.
    pub fn picture(&self) -> Picture {
        let Subsurface { pattern, size, format, alpha, .. } = *self;
        Picture { pattern, size, format, alpha, stamp: true }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a size, or one that cannot be drawn.
    #[error("not a usable size: {0} (want WIDTHxHEIGHT, each from 1 to {max})", max = Size::MAX_EDGE)]
    BadSize(String),
    /// No such format.
    #[error("unknown format {0:?} (known: {known})", known = names(Format::ALL.map(Format::name)))]
    UnknownFormat(String),
    /// No such pattern.
    #[error("unknown pattern {0:?} (known: {known})", known = names(Pattern::ALL.map(Pattern::name)))]
    UnknownPattern(String),
    /// No such kind of buffer.
    #[error("unknown kind of buffer {0:?} (known: {known})", known = names(BufferKind::ALL.map(BufferKind::name)))]
    UnknownBuffer(String),
    /// A dma-buf keeps its size.
    #[error("a dma-buf ({0}) cannot shrink: only shm can be taken away")]
    CannotShrink(BufferKind),
    /// No such transform.
    #[error("unknown transform {0:?} (known: {known})", known = names(Transform::ALL.map(Transform::name)))]
    UnknownTransform(String),
    /// None, or too many.
    #[error("cannot use {0} buffers (want 1 to {max})", max = Config::MAX_BUFFERS)]
    BadBuffers(u32),
    /// Beyond any screen.
    #[error("cannot draw at buffer scale {0} (want 1 to 16)")]
    BadScale(u32),
    /// Nothing could be drawn into the memory.
    #[error("memory with the write seal cannot be drawn in; future_write stops everybody but its maker")]
    WriteSealed,
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_or_say_why_not() {
        assert_eq!("640x480".parse(), Ok(Size::new(640, 480)));
        for bad in ["0x0", "1x0", "640", "x", "-1x5", "16385x1", "640x480x2", "640 x 480", ""] {
            assert_eq!(bad.parse::<Size>(), Err(ConfigError::BadSize(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn the_default_is_fine_and_nonsense_is_not() {
        let check = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check()
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|c| c.buffers = 0), Err(ConfigError::BadBuffers(0)));
        assert_eq!(check(|c| c.seals = Some(Seals::WRITE)), Err(ConfigError::WriteSealed));
        assert_eq!(check(|c| c.scene.scale = 17), Err(ConfigError::BadScale(17)));
        assert!(check(|c| c.size = Size::new(1, 0)).is_err());
    }

    #[test]
    fn a_turned_and_scaled_surface_needs_a_turned_and_scaled_picture() {
        let scene = Scene { transform: Transform::Flipped90, scale: 2, ..Scene::default() };
        let config = Config { scene, ..Config::default() };
        assert_eq!(config.picture(Size::new(30, 20)).size, Size::new(40, 60));
    }
}
