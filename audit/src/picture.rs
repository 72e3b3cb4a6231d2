//! What a buffer shows, copied out now and then to be compared: was it drawn into while the compositor had it, and how much of
//! what is said to be damaged has really changed?
//!
//! Such comparisons cost a copy of the picture, and hold up the program meanwhile. So they are samples: at most
//! [`RATE`] of them a second for each connection, and none of them sooner than four times the cost of the last one.

use std::time::{Duration, Instant};

use selkie_compositor::buffer::fourcc::{DrmFormat, LINEAR};
use selkie_compositor::geometry::{Rect, Size};
use selkie_compositor::surface::Damage;

use crate::memory::Memory;
use crate::record::Layout;

/// Samples a second.
pub(crate) const RATE: u32 = 20;
/// Bytes of a picture that is still compared.
const MOST_BYTES: usize = 64 << 20;

/// When the next sample may be taken.
#[derive(Debug, Default)]
pub(crate) struct Budget(Option<Instant>);

impl Budget {
    pub fn allows(&self) -> bool {
        self.0.is_none_or(|next| Instant::now() >= next)
    }

    /// A sample that was begun then is taken.
    pub fn spent(&mut self, began: Instant) {
        let now = Instant::now();
        let rest = now.duration_since(began).saturating_mul(4).max(Duration::from_secs(1) / RATE);
        self.0 = now.checked_add(rest);
    }
}

/// The pixels of a buffer, row after row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    size: Size,
    pixel: usize,
    /// The bits of a pixel of four bytes that show.
    mask: u32,
    bytes: Vec<u8>,
}

/// Two pictures that followed each other on a surface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// All pixels.
    pub total: u64,
    /// Pixels that the damage covers.
    pub damaged: u64,
    /// Pixels that are others than before.
    pub changed: u64,
    /// Those of them that the damage does not cover.
    pub missed: u64,
}

impl Picture {
    /// Reads what `layout` says; `None` where that cannot be read, or is not understood.
    pub fn read(memory: &Memory, layout: &Layout) -> Option<Self> {
        let format = DrmFormat::from_fourcc(layout.fourcc)?;
        let [shape] = format.planes() else { return None };
        if layout.modifier.is_some_and(|modifier| modifier != LINEAR) || shape.across != 1 {
            return None;
        }
        let pixel = usize::try_from(shape.bytes).ok()?;
        let (width, height) = (usize::try_from(layout.width).ok()?, usize::try_from(layout.height).ok()?);
        let row = width.checked_mul(pixel)?;
        let total = row.checked_mul(height).filter(|n| (1..=MOST_BYTES).contains(n))?;
        let (offset, stride) = (u64::try_from(layout.offset).ok()?, usize::try_from(layout.stride).ok()?);
        if stride < row {
            return None;
        }
        let mut bytes = vec![0; total];
        memory.read_rows(offset, stride, row, height, &mut bytes)?;
        Some(Self { size: Size::new(layout.width, layout.height), pixel, mask: mask(layout.fourcc), bytes })
    }

    /// Tells pictures apart.
    pub fn fingerprint(&self) -> u32 {
        crc32fast::hash(&self.bytes)
    }

    /// Compares with the picture before, of which `damage` is said to have changed. `None` if the two are of another kind.
    pub fn compare(&self, before: &Picture, damage: &Damage) -> Option<Compared> {
        if (self.size, self.pixel, self.mask) != (before.size, before.pixel, before.mask) {
            return None;
        }
        let all = Rect::new(0, 0, self.size.w, self.size.h);
        let rects: Vec<Rect> = damage.rects().map(|r| r.intersect(all)).filter(|r| !r.is_empty()).collect();
        let area = |r: &Rect| u64::from(r.w.unsigned_abs()) * u64::from(r.h.unsigned_abs());
        let mut compared = Compared {
            total: area(&all),
            // A region's rectangles do not overlap.
            damaged: rects.iter().map(area).sum(),
            ..Compared::default()
        };
        let row_bytes = self.bytes.len() / usize::try_from(self.size.h).ok().filter(|h| *h > 0)?;
        let rows = self.bytes.chunks_exact(row_bytes).zip(before.bytes.chunks_exact(row_bytes));
        for ((now, then), y) in rows.zip(0..).filter(|((now, then), _)| now != then) {
            let here: Vec<&Rect> = rects.iter().filter(|r| (r.y..r.bottom()).contains(&y)).collect();
            let pixels = now.chunks_exact(self.pixel).zip(then.chunks_exact(self.pixel));
            for ((now, then), x) in pixels.zip(0..).filter(|((now, then), _)| now != then) {
                if !self.shows(now, then) {
                    continue;
                }
                compared.changed += 1;
                if !here.iter().any(|r| (r.x..r.right()).contains(&x)) {
                    compared.missed += 1;
                }
            }
        }
        Some(compared)
    }

    /// Whether the difference between two pixels is to be seen.
    fn shows(&self, a: &[u8], b: &[u8]) -> bool {
        let word = |p: &[u8]| p.try_into().map(u32::from_le_bytes);
        match (word(a), word(b)) {
            (Ok(a), Ok(b)) => (a ^ b) & self.mask != 0,
            _ => a != b,
        }
    }
}

/// The bits of a little-endian pixel of that format that mean something.
fn mask(fourcc: u32) -> u32 {
    match &fourcc.to_le_bytes() {
        b"XR24" | b"XB24" => 0x00ff_ffff,
        b"RX24" | b"BX24" => 0xffff_ff00,
        b"XR30" | b"XB30" => 0x3fff_ffff,
        _ => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::rc::Rc;

    use shm_core::memfd;
    use shm_core::seals::Seals;
    use shm_core::verdict::Kind;

    use super::*;

    fn layout(width: i32, height: i32, fourcc: &[u8; 4]) -> Layout {
        let fourcc = u32::from_le_bytes(*fourcc);
        Layout { offset: 8, width, height, stride: i64::from(width) * 4 + 4, fourcc, modifier: None }
    }

    fn memory() -> (Rc<OwnedFd>, Memory) {
        let fd = Rc::new(memfd::create("picture", 4096, Some(Seals::empty())).unwrap());
        (fd.clone(), Memory::new(&fd, Kind::Memfd))
    }

    fn damage(rects: &[Rect]) -> Damage {
        let mut damage = Damage::default();
        rects.iter().for_each(|r| damage.add(*r));
        damage
    }

    #[test]
    fn counts_what_has_changed_and_what_was_said() {
        let (fd, memory) = memory();
        let layout = layout(10, 10, b"XR24");
        let before = Picture::read(&memory, &layout).unwrap();
        // The pixel (2, 1), another whose unused byte alone changes, and one in the padding.
        for (x, y, pixel) in [(2, 1, 0x00_0001), (3, 1, 0xff00_0000), (10, 4, 1)] {
            let bytes = u32::to_le_bytes(pixel);
            rustix::io::pwrite(&*fd, &bytes, 8 + y * 44 + x * 4).unwrap();
        }
        let now = Picture::read(&memory, &layout).unwrap();
        assert_ne!(now.fingerprint(), before.fingerprint());
        let full = now.compare(&before, &damage(&[Rect::new(0, 0, i32::MAX, i32::MAX)]));
        assert_eq!(full, Some(Compared { total: 100, damaged: 100, changed: 1, missed: 0 }));
        let two = now.compare(&before, &damage(&[Rect::new(0, 0, 2, 2), Rect::new(1, 0, 1, 2)]));
        assert_eq!(two, Some(Compared { total: 100, damaged: 4, changed: 1, missed: 1 }));
        let same = before.compare(&before, &Damage::default());
        assert_eq!(same, Some(Compared { total: 100, ..Compared::default() }));
    }

    #[test]
    fn other_sizes_and_formats_are_not_compared() {
        let (_fd, memory) = memory();
        let read = |width, fourcc| Picture::read(&memory, &layout(width, 4, fourcc)).unwrap();
        assert_eq!(read(5, b"XR24").compare(&read(6, b"XR24"), &Damage::default()), None);
        assert_eq!(read(5, b"XR24").compare(&read(5, b"AR24"), &Damage::default()), None);
        // Beyond the end of the file, and formats that nobody knows.
        assert_eq!(Picture::read(&memory, &layout(500, 500, b"XR24")), None);
        assert_eq!(Picture::read(&memory, &layout(5, 5, b"ABCD")), None);
        assert_eq!(Picture::read(&memory, &layout(-5, 5, b"XR24")), None);
    }

    #[test]
    fn samples_are_few() {
        let mut budget = Budget::default();
        assert!(budget.allows());
        budget.spent(Instant::now());
        assert!(!budget.allows());
    }
}
