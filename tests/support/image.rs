//! Pictures of screens, and comparing them so that a failure can be looked at.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A picture: rows from the top, each pixel `0x00RRGGBB`.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` pixels, `0x00RRGGBB`.
    pub pixels: Vec<u32>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

impl Image {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, colour: u32) -> Self {
        Self { width, height, pixels: vec![colour & 0xff_ffff; width * height] }
    }

    /// A picture from a function of the coordinates.
    pub fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u32) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, pixels: pixels.map(|(x, y)| pixel(x, y) & 0xff_ffff).collect() }
    }

    /// The pixels as memory of a buffer, ARGB8888 or XRGB8888: with the top byte set. In XRGB8888 it
    /// should not matter, but weston's screenshots take it for alpha, and zero comes out as black.
    pub fn opaque(&self) -> Vec<u32> {
        self.pixels.iter().map(|pixel| pixel | 0xff00_0000).collect()
    }

    /// The pixel at a place.
    ///
    /// # Panics
    /// Outside of the picture.
    pub fn at(&self, x: usize, y: usize) -> u32 {
        assert!(x < self.width && y < self.height, "({x}, {y}) is outside of {self:?}");
        self.pixels[y * self.width + x]
    }

    /// A rectangle of it.
    ///
    /// # Panics
    /// If it does not lie inside.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        assert!(x + width <= self.width && y + height <= self.height, "crop outside of {self:?}");
        Self::from_fn(width, height, |cx, cy| self.at(x + cx, y + cy))
    }

    /// The smallest rectangle (x, y, width, height) that holds every pixel of another colour than
    /// `background`; none if there is no such pixel. Finds a window on an empty screen.
    pub fn bounds(&self, background: u32) -> Option<(usize, usize, usize, usize)> {
        let (mut left, mut top, mut right, mut bottom) = (usize::MAX, usize::MAX, 0, 0);
        for (i, _) in self.pixels.iter().enumerate().filter(|(_, p)| **p != background) {
            let (x, y) = (i % self.width, i / self.width);
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
        (right > 0).then(|| (left, top, right - left, bottom - top))
    }

    /// How many different colours it has.
    pub fn colours(&self) -> usize {
        self.pixels.iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// Reads a PNG of any colour type; transparency is dropped, 16 bits become 8.
    ///
    /// # Errors
    /// A sentence, if the file is not there or not (yet) a whole PNG.
    pub fn load(path: &Path) -> Result<Self, String> {
        let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = File::open(path).map_err(|e| fail(&e))?;
        let mut decoder = png::Decoder::new(std::io::BufReader::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(|e| fail(&e))?;
        let size = reader.output_buffer_size().ok_or_else(|| fail(&"too large"))?;
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes).map_err(|e| fail(&e))?;
        let rgb = |r: u8, g: u8, b: u8| u32::from_be_bytes([0, r, g, b]);
        let samples = info.color_type.samples();
        let pixels = bytes[..info.buffer_size()].chunks_exact(samples);
        Ok(Self {
            width: info.width as usize,
            height: info.height as usize,
            pixels: match samples {
                1 | 2 => pixels.map(|p| rgb(p[0], p[0], p[0])).collect(),
                _ => pixels.map(|p| rgb(p[0], p[1], p[2])).collect(),
            },
        })
    }

    /// A pattern's picture in `assets/patterns`, which somebody has looked at.
    pub fn golden(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patterns");
        Self::load(&dir.join(format!("{name}.png"))).unwrap()
    }

    /// Writes it as a PNG.
    ///
    /// # Panics
    /// If that is not possible.
    pub fn save(&self, path: &Path) {
        let file = BufWriter::new(File::create(path).unwrap());
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|p| p.to_be_bytes()[1..].to_vec()).collect();
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
    }

    /// What differs from the picture that was expected, as a sentence; none if nothing does. Each
    /// colour channel may be off by `tolerance`.
    pub fn difference(&self, expected: &Self, tolerance: u8) -> Option<String> {
        if (self.width, self.height) != (expected.width, expected.height) {
            return Some(format!("it is {self:?}, expected {expected:?}"));
        }
        let pairs = self.pixels.iter().zip(&expected.pixels).enumerate();
        let mut differing = pairs.filter(|(_, (a, b))| distance(**a, **b) > tolerance);
        let (i, (a, b)) = differing.next()?;
        let (x, y) = (i % self.width, i / self.width);
        let count = 1 + differing.count();
        let most = self.pixels.iter().zip(&expected.pixels).map(|(a, b)| distance(*a, *b)).max().unwrap_or(0);
        Some(format!(
            "{count} of {} pixels differ (by up to {most}); the first at ({x}, {y}) is #{a:06x}, expected #{b:06x}",
            self.pixels.len()
        ))
    }
}

/// The frames of an APNG, each as it was to be seen.
///
/// # Panics
/// If it is none that was written whole.
pub fn animation(path: &Path) -> Vec<Image> {
    let mut decoder = png::Decoder::new(std::io::BufReader::new(File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let frames = reader.info().animation_control().unwrap().num_frames;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let mut canvas = Image::filled(width, height, 0);
    let mut shown = Vec::new();
    for _ in 0..frames {
        let info = reader.next_frame(&mut bytes).unwrap();
        let control = *reader.info().frame_control().unwrap();
        assert_eq!((info.color_type, control.blend_op), (png::ColorType::Rgb, png::BlendOp::Source));
        let (left, top, across) =
            (control.x_offset as usize, control.y_offset as usize, control.width as usize);
        for (i, p) in bytes[..info.buffer_size()].chunks_exact(3).enumerate() {
            canvas.pixels[(top + i / across) * width + left + i % across] =
                u32::from_be_bytes([0, p[0], p[1], p[2]]);
        }
        shown.push(canvas.clone());
    }
    shown
}

/// The largest difference of a channel.
fn distance(a: u32, b: u32) -> u8 {
    let (a, b) = (a.to_be_bytes(), b.to_be_bytes());
    (1..4).map(|i| a[i].abs_diff(b[i])).max().unwrap_or(0)
}

/// Where pictures of failures go: `target/pictures/`, or `SELKIE_PICTURES` where nothing that is
/// written there would stay (in a guest).
pub fn pictures() -> PathBuf {
    let usual = || Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("pictures");
    let dir = std::env::var_os("SELKIE_PICTURES").map_or_else(usual, PathBuf::from);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Fails unless the pictures are the same to the last bit, leaving `NAME-actual.png`,
/// `NAME-expected.png` and `NAME-diff.png` (differing pixels in red) in `target/pictures/`.
#[track_caller]
pub fn assert_same(name: &str, actual: &Image, expected: &Image) {
    assert_close(name, actual, expected, 0);
}

/// [`assert_same`], with each channel allowed to be off by `tolerance` (for scaling and blending).
#[track_caller]
pub fn assert_close(name: &str, actual: &Image, expected: &Image, tolerance: u8) {
    let Some(difference) = actual.difference(expected, tolerance) else { return };
    let dir = pictures();
    actual.save(&dir.join(format!("{name}-actual.png")));
    expected.save(&dir.join(format!("{name}-expected.png")));
    if (actual.width, actual.height) == (expected.width, expected.height) {
        let diff = Image::from_fn(actual.width, actual.height, |x, y| {
            let (a, b) = (actual.at(x, y), expected.at(x, y));
            if distance(a, b) > tolerance { 0xff_0000 } else { (b >> 2) & 0x3f_3f3f }
        });
        diff.save(&dir.join(format!("{name}-diff.png")));
    }
    panic!("{name}: {difference}. See {}/{name}-*.png", dir.display());
}

/// Fails unless the pictures show the same in the same place, though scaled by another filter (sway 1.7 takes the nearest
/// pixel): squares of 32 pixels are as bright on average, and what is not selkie's
/// background lies within the same bounds.
#[track_caller]
pub fn assert_alike(name: &str, actual: &Image, expected: &Image) {
    const SQUARE: usize = 32;
    const OFF: u64 = 24;
    const BACKGROUND: u32 = 0x20_242c;
    let mean = |image: &Image, left: usize, top: usize, shift: u32| -> u64 {
        let (right, bottom) = ((left + SQUARE).min(image.width), (top + SQUARE).min(image.height));
        let pixels = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
        let sum: u64 = pixels.map(|(x, y)| u64::from(image.at(x, y) >> shift & 0xff)).sum();
        sum / ((right - left) * (bottom - top)) as u64
    };
    let alike = actual.bounds(BACKGROUND) == expected.bounds(BACKGROUND)
        && (0..expected.height).step_by(SQUARE).all(|y| {
            (0..expected.width).step_by(SQUARE).all(|x| {
                [0, 8, 16].iter().all(|s| mean(actual, x, y, *s).abs_diff(mean(expected, x, y, *s)) <= OFF)
            })
        });
    if !alike {
        assert_close(name, actual, expected, 0);
    }
}
