//! The arithmetic on numbers that clients choose, against the same in 128 bits, which cannot overflow here.
//!
//! What is accepted is then read, at its first byte and at its last, through a mapping of real memory of just that size.

use std::os::fd::AsFd;

use arbitrary::Unstructured;
use selkie_compositor::buffer::fourcc::DrmFormat;
use selkie_compositor::buffer::{Format, Layout, LayoutError};
use selkie_compositor::fuzzing::{Extent, linear_planes, opaque_planes};
use selkie_compositor::geometry::{Point, Rect, RectF, Size, Transform};
use selkie_compositor::surface::{Current, Damage, Pending, Viewport, bounds, rects, to_output};
use shm_core::mapping::{Mapping, Sealed};
use shm_core::memfd;
use shm_core::pread::pread_rows;
use shm_core::seals::Seals;

use crate::numbers::{byte, int, long, pick, uint};

/// Runs one case.
///
/// # Panics
///
/// If selkie and the wide arithmetic disagree.
pub fn run(data: &[u8]) {
    let u = &mut Unstructured::new(data);
    while !u.is_empty() {
        match byte(u) % 6 {
            0 => layout(u),
            1 => planes(u),
            2 => damage(u),
            3 => viewport(u),
            4 => rows(u),
            _ => rectangles(u),
        }
    }
}

/// A size that memory can be made of without filling anything.
const MOST_MEMORY: u64 = 1 << 34;

/// `wl_shm_pool.create_buffer`.
fn layout(u: &mut Unstructured<'_>) {
    let formats: Vec<Format> = Format::all().collect();
    let format = formats[pick(u, formats.len())];
    let (offset, width, height) = (int(u), int(u), int(u));
    let bytes = i128::from(format.bytes_per_pixel());
    let tight = i128::from(width) * bytes;
    let stride = if byte(u).is_multiple_of(2) { int(u) } else { (tight as i32).wrapping_add(int(u)) };
    let end = i128::from(offset) + i128::from(stride) * i128::from(height);
    let pool = if byte(u).is_multiple_of(2) { long(u) } else { (end as u64).wrapping_add(int(u) as u64) };

    let (is_empty, is_short) = (width < 1 || height < 1, i128::from(stride) < tight);
    let is_uneven = i128::from(stride) % bytes != 0;
    let is_beyond = end > i128::from(pool);
    let sound = !is_empty && offset >= 0 && !is_short && !is_uneven && !is_beyond;
    match Layout::check((offset, width, height, stride), format, pool) {
        Ok(found) => {
            assert!(sound, "{found:?} was accepted for {offset} {width}x{height} {stride} of {pool}");
            assert_eq!(i128::from(found.offset), i128::from(offset));
            assert_eq!(i128::from(found.stride), i128::from(stride));
            assert_eq!((found.size, found.format), (Size::new(width, height), format));
            assert_eq!(i128::from(found.end()), end);
            if pool <= MOST_MEMORY {
                touch(pool, found.offset, found.end());
            }
        }
        Err(error) => {
            assert!(!sound, "{error} for {offset} {width}x{height} {stride} of {pool}");
            let is_true = match error {
                LayoutError::Empty(w, h) => is_empty && (w, h) == (width, height),
                LayoutError::NegativeOffset(o) => o < 0 && o == offset,
                LayoutError::ShortStride { stride: s, needed, .. } => {
                    is_short && s == stride && i128::from(needed) == tight
                }
                LayoutError::UnalignedStride { stride: s, .. } => is_uneven && s == stride,
                LayoutError::BeyondPool { end: e, size } => is_beyond && i128::from(e) == end && size == pool,
            };
            assert!(is_true, "{error} for {offset} {width}x{height} {stride} of {pool}");
        }
    }
}

/// Reads the first and the last byte of a range of memory that has `size` bytes and holds none of them yet.
fn touch(size: u64, first: u64, end: u64) {
    let memory = memfd::create("selkie-fuzz", size, Some(Seals::SHRINK)).expect("memory");
    let mapping = Mapping::<Sealed>::new(memory.as_fd(), size).expect("sealed memory can be mapped");
    for at in [first, end - 1] {
        let mut byte = [0xff];
        mapping.copy_to(at as usize, &mut byte).expect("a byte of an accepted buffer can be read");
        assert_eq!(byte, [0]);
    }
}

/// Planes of each format in drm_fourcc.h: pixels per sample across and down, bytes of a sample.
fn shapes(fourcc: &[u8; 4]) -> &'static [(i128, i128, i128)] {
    match fourcc {
        b"NV12" => &[(1, 1, 1), (2, 2, 2)],
        b"P010" => &[(1, 1, 2), (2, 2, 4)],
        b"YU12" => &[(1, 1, 1), (2, 2, 1), (2, 2, 1)],
        b"YUYV" => &[(2, 1, 4)],
        b"RG16" | b"BG16" => &[(1, 1, 2)],
        _ => &[(1, 1, 4)],
    }
}

/// `zwp_linux_buffer_params_v1.create`.
fn planes(u: &mut Unstructured<'_>) {
    let formats: Vec<DrmFormat> = DrmFormat::all().collect();
    let format = formats[pick(u, formats.len())];
    let shapes = shapes(&format.fourcc.to_le_bytes());
    let (width, height) = (int(u), int(u));
    let count = if byte(u) < 224 { shapes.len() } else { pick(u, 5) };
    let mut planes: Vec<Extent> = Vec::new();
    let mut fits = count == shapes.len() && width > 0 && height > 0;
    let mut begin_inside = count >= shapes.len() && width > 0 && height > 0;
    let ceil = |n: i128, d: i128| (n + d - 1).div_euclid(d);
    for plane in 0..count {
        let (across, down, bytes) = shapes.get(plane).copied().unwrap_or((1, 1, 1));
        let needed = ceil(width.into(), across) * bytes;
        let (offset, choice) = (uint(u), byte(u));
        let stride = if choice & 1 == 0 { uint(u) } else { (needed as u32).wrapping_add(uint(u)) };
        let end = i128::from(offset) + i128::from(stride) * ceil(height.into(), down);
        let size = if choice & 2 == 0 { long(u) } else { (end as u64).wrapping_add(int(u) as u64) };
        fits &= i128::from(stride) >= needed && end <= i128::from(size);
        begin_inside &= i128::from(offset) < i128::from(size);
        planes.push((offset, stride, size));
    }
    let answer = linear_planes(format, (width, height), &planes);
    assert_eq!(answer.is_ok(), fits, "{answer:?}: {format:?} {width}x{height} {planes:?}");
    let answer = opaque_planes(format.fourcc, (width, height), &planes);
    assert_eq!(answer.is_ok(), begin_inside, "{answer:?}: {format:?} {width}x{height} {planes:?}");
}

fn rect(u: &mut Unstructured<'_>) -> Rect {
    Rect::new(int(u), int(u), int(u), int(u))
}

/// Left, top, right and bottom of what a rectangle covers of the world, which ends at `i32::MAX`.
fn edges(r: Rect) -> [i128; 4] {
    let end = |start: i32, len: i32| (i128::from(start) + i128::from(len)).min(i32::MAX.into());
    [r.x.into(), r.y.into(), end(r.x, r.w), end(r.y, r.h)]
}

fn covers(r: Rect, (x, y): (i128, i128)) -> bool {
    let [left, top, right, bottom] = edges(r);
    r.w > 0 && r.h > 0 && (left..right).contains(&x) && (top..bottom).contains(&y)
}

/// Points at which an error in one of the rectangles would show.
fn probes(all: &[Rect]) -> Vec<(i128, i128)> {
    let corners = all.iter().flat_map(|r| {
        let [left, top, right, bottom] = edges(*r);
        [left - 1, left, right - 1, right].map(|x| [top - 1, top, bottom - 1, bottom].map(|y| (x, y)))
    });
    let world = i128::from(i32::MIN)..i128::from(i32::MAX);
    corners.flatten().filter(|(x, y)| world.contains(x) && world.contains(y)).collect()
}

/// Damage, and damage in pixels of the output.
fn damage(u: &mut Unstructured<'_>) {
    let all: Vec<Rect> = (0..1 + pick(u, 12)).map(|_| rect(u)).collect();
    let mut damage = Damage::default();
    all.iter().for_each(|r| damage.add(*r));
    assert_eq!(damage.is_empty(), !probes(&all).iter().any(|p| all.iter().any(|r| covers(*r, *p))));
    for p in probes(&all) {
        let wanted = all.iter().any(|r| covers(*r, p));
        assert!(agree(damage.rects().any(|r| covers(r, p)), wanted, p), "{p:?} of {all:?}");
        let around = bounds(damage.region());
        assert!(!wanted || agree(covers(around, p), true, p), "{p:?} of {all:?}: {around:?}");
    }
    let (origin, scale) = (Point::new(int(u), int(u)), 1 + pick(u, 4) as i32);
    let output = to_output(damage.region(), origin, scale);
    let pixel = |v: i128, origin: i32| v * i128::from(scale) + i128::from(origin);
    for (x, y) in probes(&all) {
        let p = (pixel(x, origin.x), pixel(y, origin.y));
        let world = i128::from(i32::MIN)..i128::from(i32::MAX);
        if world.contains(&p.0) && world.contains(&p.1) {
            let wanted = all.iter().any(|r| covers(*r, (x, y)));
            let got = rects(&output).any(|r| covers(r, p));
            assert!(agree(got, wanted, p), "{p:?} of {all:?} times {scale} at {origin:?}");
        }
    }
}

/// What is too wide is cut, at its left or its top: no pixels are there, if the coordinate is negative.
fn agree(got: bool, wanted: bool, (x, y): (i128, i128)) -> bool {
    got == wanted || (wanted && (x < 0 || y < 0))
}

/// Rectangles by themselves.
fn rectangles(u: &mut Unstructured<'_>) {
    let clamp = |v: i128| v.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    let (a, b, by) = (rect(u), rect(u), Point::new(int(u), int(u)));
    let wide = |v: i32| i128::from(v);
    assert_eq!(a.right(), clamp(wide(a.x) + wide(a.w)));
    assert_eq!(a.bottom(), clamp(wide(a.y) + wide(a.h)));
    let moved = Point::new(clamp(wide(a.x) + wide(by.x)), clamp(wide(a.y) + wide(by.y)));
    assert_eq!(a.offset(by), Rect::at(moved, a.size()));
    let moved = Point::new(clamp(wide(a.x) - wide(by.x)), clamp(wide(a.y) - wide(by.y)));
    assert_eq!(a.origin().relative_to(by), moved);
    let both = a.intersect(b);
    for p in probes(&[a, b]) {
        let wanted = covers(a, p) && covers(b, p);
        let at = Point::new(p.0 as i32, p.1 as i32);
        assert_eq!(a.contains(at), covers(a, p), "{p:?} in {a:?}");
        assert_eq!(covers(both, p), wanted, "{p:?} in {a:?} and {b:?}: {both:?}");
        assert_eq!(rects(&a.to_region()).any(|r| covers(r, p)), covers(a, p), "{p:?} in {a:?}");
    }
    if by.x >= 0 && !a.is_empty() {
        let grown = a.grown(by.x);
        for p in probes(&[a, b, grown]) {
            let inside = |start: i32, len: i32, v: i128| {
                (wide(start) - wide(by.x)..wide(start) + wide(len) + wide(by.x)).contains(&v)
            };
            let wanted = inside(a.x, a.w, p.0) && inside(a.y, a.h, p.1);
            assert!(agree(covers(grown, p), wanted, p), "{p:?}: {a:?} grown by {}: {grown:?}", by.x);
        }
    }
}

/// Scale, transform and viewport of a surface. Sources are in 256ths, as they come over the wire.
fn viewport(u: &mut Unstructured<'_>) {
    let positive = |v: i32| v.checked_abs().unwrap_or(1).max(1);
    let buffer = Size::new(positive(int(u)), positive(int(u)));
    let scale = if byte(u) < 128 { 1 + pick(u, 4) as i32 } else { positive(int(u)) };
    let transform = Transform::ALL[pick(u, 8)];
    // As wp_viewport lets them through.
    let source = (byte(u) & 1 == 0).then(|| [int(u), int(u), int(u), int(u)]);
    let source = source.filter(|[x, y, w, h]| *x >= 0 && *y >= 0 && *w > 0 && *h > 0);
    let destination = (byte(u) & 1 == 0).then(|| Size::new(positive(int(u)), positive(int(u))));
    let f = |v: i32| f64::from(v) / 256.0;
    let rectangle = source.map(|[x, y, w, h]| RectF { x: f(x), y: f(y), w: f(w), h: f(h) });
    let viewport = Viewport { source: rectangle, destination };
    let pending = Pending {
        scale: Some(scale),
        transform: Some(transform),
        viewport: Some(viewport),
        ..Pending::default()
    };
    let mut current = Current { buffer_size: buffer, ..Current::default() };
    let answer = current.check(&pending);

    let is_whole = buffer.w % scale == 0 && buffer.h % scale == 0;
    let (w, h) = if transform.swaps_axes() { (buffer.h, buffer.w) } else { (buffer.w, buffer.h) };
    let (w, h) = (w / scale, h / scale);
    let wide = |v: i32| i128::from(v);
    let is_inside = source.is_none_or(|[x, y, sw, sh]| {
        wide(x) + wide(sw) <= wide(w) * 256 && wide(y) + wide(sh) <= wide(h) * 256
    });
    let has_size = source.is_none_or(|[_, _, sw, sh]| destination.is_some() || (sw | sh) % 256 == 0);
    assert_eq!(
        answer.is_ok(),
        is_whole && is_inside && has_size,
        "{answer:?}: {buffer:?} {pending:?}",
        pending = (scale, transform, viewport)
    );
    let Ok(size) = answer else { return };
    let natural = source.map_or(Size::new(w, h), |[_, _, sw, sh]| Size::new(sw / 256, sh / 256));
    assert_eq!(size, destination.unwrap_or(natural));

    (current.scale, current.transform, current.viewport, current.size) = (scale, transform, viewport, size);
    // The crop in the buffer's pixels is exact in a float: 31 bits before the point and 8 behind it.
    let got = current.source();
    let [x, y, sw, sh] = source.map_or([0, 0, wide(w) * 256, wide(h) * 256], |s| s.map(wide));
    let (sw_, sh_) = (wide(w) * 256, wide(h) * 256);
    let (right, bottom) = (sw_ - x - sw, sh_ - y - sh);
    let (x, y, sw, sh) = match transform {
        Transform::Normal => (x, y, sw, sh),
        Transform::Rotated90 => (y, right, sh, sw),
        Transform::Rotated180 => (right, bottom, sw, sh),
        Transform::Rotated270 => (bottom, x, sh, sw),
        Transform::Flipped => (right, y, sw, sh),
        Transform::Flipped90 => (y, x, sh, sw),
        Transform::Flipped180 => (x, bottom, sw, sh),
        Transform::Flipped270 => (bottom, right, sh, sw),
    };
    let pixels = |v: i128| (v * i128::from(scale)) as f64 / 256.0;
    let wanted = RectF { x: pixels(x), y: pixels(y), w: pixels(sw), h: pixels(sh) };
    assert_eq!(got, wanted, "{buffer:?} {:?}", (scale, transform, viewport));
    assert!(got.x >= 0.0 && got.y >= 0.0, "{got:?}");
    assert!(got.x + got.w <= f64::from(buffer.w) && got.y + got.h <= f64::from(buffer.h), "{got:?}");

    // Damage of all that shows is damage of the whole surface; whatever else must not panic.
    let whole = current.surface_rect(Rect::of_size(buffer));
    let within = |v: i32| v <= 1 << 15;
    if [buffer.w, buffer.h, size.w, size.h].into_iter().all(within) {
        assert_eq!(whole.intersect(Rect::of_size(size)), Rect::of_size(size), "{buffer:?} {viewport:?}");
    }
    let _ = current.surface_rect(rect(u));
}

/// Rows of memory, copied and read, against what they should be byte by byte.
fn rows(u: &mut Unstructured<'_>) {
    let len = 1 + pick(u, 250) * 41;
    let content: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
    let memory = memfd::create("selkie-fuzz", 0, Some(Seals::empty())).expect("memory");
    assert_eq!(rustix::io::write(&memory, &content), Ok(len));
    Seals::add(&memory, Seals::SHRINK).expect("a seal");
    let mapping = Mapping::<Sealed>::new(memory.as_fd(), len as u64).expect("a mapping");
    let (offset, stride, row) = (long(u) as usize, long(u) as usize, long(u) as usize);
    let (count, to_stride) = (long(u) as usize, long(u) as usize);
    let mut to = vec![0xee; pick(u, 200) * 23];
    let nothing = count == 0 || row == 0;
    let wide = |v: usize| v as i128;
    let span = |stride: usize| wide(stride).saturating_mul(wide(count) - 1).saturating_add(wide(row));
    let fits_to = span(to_stride) <= wide(to.len()) && (count < 2 || to_stride >= row);
    let fits = fits_to && wide(offset).saturating_add(span(stride)) <= wide(len);
    let mut wanted = to.clone();
    if fits && !nothing {
        for i in 0..count {
            let (from, at) = (offset + i * stride, i * to_stride);
            wanted[at..at + row].copy_from_slice(&content[from..from + row]);
        }
    }
    let numbers = (len, offset, stride, row, count, to_stride, to.len());
    let copied = mapping.copy_rows(offset, stride, row, count, &mut to, to_stride);
    assert_eq!(copied.is_ok(), nothing || fits, "{copied:?}: {numbers:?}");
    assert!(to == wanted, "{numbers:?}");
    to.fill(0xee);
    let copied = pread_rows(memory.as_fd(), offset as u64, stride, row, count, &mut to, to_stride);
    assert_eq!(copied.is_ok(), nothing || fits, "{copied:?}: {numbers:?}");
    assert!(to == wanted || copied.is_err(), "{numbers:?}");
}
