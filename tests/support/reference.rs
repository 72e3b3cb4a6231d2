//! What a compositor has to show for `selkie client`, computed the slow and obvious way: every output
//! pixel by itself, in floating point where a picture is scaled. Shares nothing with a compositor.

use selkie_client::{Config, Picture, Size, Transform};

use super::Image;

/// A surface as it has to look: premultiplied `0xAARRGGBB`, upright, in pixels of the output.
pub struct Layer {
    size: Size,
    pixels: Vec<u32>,
}

/// What is on the output: one colour, and layers drawn over it.
pub struct Screen {
    /// The picture so far.
    pub image: Image,
    /// Output pixels per surface unit.
    pub scale: u32,
}

impl Screen {
    /// An empty screen.
    pub fn new(width: usize, height: usize, background: u32) -> Self {
        Self { image: Image::filled(width, height, background), scale: 1 }
    }

    /// Draws the windows that the client shows, alone on the screen: its surfaces together in the middle.
    /// `frames` are the numbers of the frames of the main surface and of each subsurface; the last
    /// one goes for those that follow. Returns where the main surface is, in output pixels.
    pub fn show(&mut self, config: &Config, frames: &[u32]) -> (usize, usize) {
        let (left, top, across, down) = extents(config);
        let unit = self.scale as i32;
        let (width, height) = (self.image.width as i32 / unit, self.image.height as i32 / unit);
        // Something too large starts at the top left corner.
        let at = ((width - across) / 2, (height - down) / 2);
        let at = (at.0.max(0) - left, at.1.max(0) - top);
        self.show_at(config, frames, at);
        ((at.0 * unit) as usize, (at.1 * unit) as usize)
    }

    /// [`Screen::show`] with the main surface at a place, in surface units.
    pub fn show_at(&mut self, config: &Config, frames: &[u32], at: (i32, i32)) {
        let frame = |layer: usize| *frames.get(layer).or(frames.last()).unwrap();
        let subs = || config.scene.subsurfaces.iter().zip(1..);
        let scale = self.scale;
        let mut draw = |(x, y): (i32, i32), layer: Layer| self.blend(x, y, &layer);
        let sub = |s: &selkie_client::Subsurface, n| {
            let place = (at.0 + s.position.0, at.1 + s.position.1);
            (place, Layer::plain(&s.picture(), frame(n), scale))
        };
        for (s, n) in subs().filter(|(s, _)| s.below) {
            let (place, layer) = sub(s, n);
            draw(place, layer);
        }
        draw(at, Layer::main(config, frame(0), scale));
        for (s, n) in subs().filter(|(s, _)| !s.below) {
            let (place, layer) = sub(s, n);
            draw(place, layer);
        }
    }

    /// Source over destination, each channel rounded to the nearest.
    fn blend(&mut self, x: i32, y: i32, layer: &Layer) {
        let Image { width, height, pixels } = &mut self.image;
        let (x, y) = (i64::from(x) * i64::from(self.scale), i64::from(y) * i64::from(self.scale));
        for (row, line) in (y..).zip(layer.pixels.chunks(layer.size.width as usize)) {
            for (column, over) in (x..).zip(line) {
                let inside = (0..*width as i64).contains(&column) && (0..*height as i64).contains(&row);
                if !inside {
                    continue;
                }
                let under = &mut pixels[row as usize * *width + column as usize];
                let rest = 255 - (over >> 24);
                let channel = |at: u32| {
                    let mixed = (over >> at & 0xff) + ((*under >> at & 0xff) * rest + 127) / 255;
                    mixed.min(255) << at
                };
                *under = channel(16) | channel(8) | channel(0);
            }
        }
    }
}

/// The rectangle around all surfaces of a window: left and top edge from the main surface's corner, width
/// and height; in surface units.
pub fn extents(config: &Config) -> (i32, i32, i32, i32) {
    let rects = config.scene.subsurfaces.iter().map(|s| (s.position, s.size));
    let rects: Vec<((i32, i32), Size)> = rects.chain([((0, 0), surface_size(config))]).collect();
    let low = |f: fn(&((i32, i32), Size)) -> i32| rects.iter().map(f).min().unwrap();
    let high = |f: fn(&((i32, i32), Size)) -> i32| rects.iter().map(f).max().unwrap();
    let (left, top) = (low(|r| r.0.0), low(|r| r.0.1));
    let (right, bottom) = (high(|r| r.0.0 + r.1.width as i32), high(|r| r.0.1 + r.1.height as i32));
    (left, top, right - left, bottom - top)
}

/// The size of the main surface, in surface units.
pub fn surface_size(config: &Config) -> Size {
    match (config.scene.viewport_destination, config.scene.viewport_source) {
        (Some(size), _) => size,
        (None, Some((_, _, w, h))) => Size::new(w as u32, h as u32),
        (None, None) => config.size,
    }
}

impl Layer {
    /// A surface whose buffer is shown as it is, on an output with that many pixels per unit.
    fn plain(picture: &Picture, frame: u32, scale: u32) -> Self {
        let upright = Self { size: picture.size, pixels: picture.shown(frame) };
        let (w, h) = (f64::from(picture.size.width), f64::from(picture.size.height));
        upright.cut((0.0, 0.0, w, h), Size::new(picture.size.width * scale, picture.size.height * scale))
    }

    /// The main surface.
    fn main(config: &Config, frame: u32, scale: u32) -> Self {
        let picture = config.picture(config.size);
        let upright = turned(&picture, frame, config.scene.transform);
        let buffer_scale = f64::from(config.scene.scale.max(1));
        let whole = (0.0, 0.0, f64::from(config.size.width), f64::from(config.size.height));
        let (x, y, w, h) = config.scene.viewport_source.unwrap_or(whole);
        let source = (x * buffer_scale, y * buffer_scale, w * buffer_scale, h * buffer_scale);
        let Size { width, height } = surface_size(config);
        upright.cut(source, Size::new(width * scale, height * scale))
    }

    /// The part `source` of it at another size: each pixel by bilinear interpolation at its middle, as
    /// if the pixels at the edge of the part went on forever.
    fn cut(&self, source: (f64, f64, f64, f64), to: Size) -> Self {
        let (x, y, w, h) = source;
        let (kx, ky) = (w / f64::from(to.width), h / f64::from(to.height));
        let at = |x: i64, y: i64| self.pixels[y as usize * self.size.width as usize + x as usize];
        let span = |from: f64, length: f64, most: u32| {
            (from.floor() as i64, ((from + length).ceil() as i64).min(i64::from(most)) - 1)
        };
        let (columns, rows) = (span(x, w, self.size.width), span(y, h, self.size.height));
        let mut pixels = Vec::with_capacity((to.width * to.height) as usize);
        if (kx, ky, x.fract(), y.fract()) == (1.0, 1.0, 0.0, 0.0) {
            // Every weight but one is zero.
            for row in y as usize..y as usize + to.height as usize {
                let start = row * self.size.width as usize + x as usize;
                pixels.extend_from_slice(&self.pixels[start..start + to.width as usize]);
            }
            return Self { size: to, pixels };
        }
        for row in 0..to.height {
            let v = y + (f64::from(row) + 0.5) * ky - 0.5;
            let (top, fy) = (v.floor() as i64, v - v.floor());
            for column in 0..to.width {
                let u = x + (f64::from(column) + 0.5) * kx - 0.5;
                let (left, fx) = (u.floor() as i64, u - u.floor());
                let near = |dx: i64, dy: i64| {
                    at((left + dx).clamp(columns.0, columns.1), (top + dy).clamp(rows.0, rows.1))
                };
                let corners = [
                    (near(0, 0), (1.0 - fx) * (1.0 - fy)),
                    (near(1, 0), fx * (1.0 - fy)),
                    (near(0, 1), (1.0 - fx) * fy),
                    (near(1, 1), fx * fy),
                ];
                let channel = |at: u32| {
                    let sum: f64 = corners.iter().map(|(p, k)| f64::from(p >> at & 0xff) * k).sum();
                    (sum.round() as u32) << at
                };
                pixels.push(channel(24) | channel(16) | channel(8) | channel(0));
            }
        }
        Self { size: to, pixels }
    }
}

/// The picture as it has to be on the screen: a buffer with transform t holds the content turned by t, so
/// showing it turns it back. Surface pixel (x, y) comes from this buffer pixel, as in the table of
/// `wl_output.transform`.
fn turned(picture: &Picture, frame: u32, transform: Transform) -> Layer {
    let shown = picture.shown(frame);
    let (w, h) = (picture.size.width, picture.size.height);
    let size = if transform.swaps() { picture.size.swapped() } else { picture.size };
    let from = |x: u32, y: u32| match transform {
        Transform::Normal => (x, y),
        Transform::Rotate90 => (y, h - 1 - x),
        Transform::Rotate180 => (w - 1 - x, h - 1 - y),
        Transform::Rotate270 => (w - 1 - y, x),
        Transform::Flipped => (w - 1 - x, y),
        Transform::Flipped90 => (y, x),
        Transform::Flipped180 => (x, h - 1 - y),
        Transform::Flipped270 => (w - 1 - y, h - 1 - x),
    };
    let places = (0..size.height).flat_map(|y| (0..size.width).map(move |x| from(x, y)));
    Layer { size, pixels: places.map(|(x, y)| shown[(y * w + x) as usize]).collect() }
}
