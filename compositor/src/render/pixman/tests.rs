//! Exact pixels, each against a formula written here.

use std::sync::Arc;

use proptest::prelude::*;
use wayland_server::protocol::wl_shm;

use super::*;
use crate::scene::{ElementId, Image as Picture, Scene};

const RED: u32 = 0xffff_0000;
const GREEN: u32 = 0xff00_ff00;

/// The target's memory. It is reached through the pointer only while a test draws.
struct Screen {
    size: Size,
    data: Vec<u32>,
}

impl Screen {
    fn new(w: i32, h: i32, color: u32) -> Self {
        Self { size: Size::new(w, h), data: vec![color; (w * h) as usize] }
    }

    fn target(&mut self) -> Target {
        Target { ptr: self.data.as_mut_ptr().cast(), stride: self.size.w as usize * 4, size: self.size }
    }

    fn draw(&mut self, scene: &Scene, damage: &Region) -> Vec<Drawn> {
        let mut drawn = Vec::new();
        PixmanRenderer::new().render(scene.view(), &mut self.target(), damage, &mut drawn);
        drawn
    }

    fn all(&self) -> Region {
        Rect::of_size(self.size).to_region()
    }

    /// Without the byte that means nothing.
    fn rgb(&self) -> Vec<u32> {
        self.data.iter().map(|p| p & 0xff_ffff).collect()
    }

    fn at(&self, x: i32, y: i32) -> u32 {
        self.data[(y * self.size.w + x) as usize] & 0xff_ffff
    }
}

fn picture(w: i32, h: i32, pixel: impl Fn(i32, i32) -> u32) -> Content {
    let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
    Content::Image(Arc::new(Picture { size: Size::new(w, h), pixels }))
}

fn source(x: f64, y: f64, w: f64, h: f64) -> RectF {
    RectF { x, y, w, h }
}

fn element(id: u64, content: Content, source: RectF, transform: Transform, dest: Rect) -> Element {
    let (opaque, news) = Default::default();
    Element { id: ElementId::Surface(id), content, source, transform, dest, opaque, news }
}

fn scene(size: Size, background: u32, elements: Vec<Element>) -> Scene {
    let [_, r, g, b] = background.to_be_bytes();
    Scene { scale: 1, size, background: Color { r, g, b }, elements, covered: false }
}

/// Draws one element onto a fresh black screen.
fn draw(w: i32, h: i32, element: Element) -> Screen {
    let mut screen = Screen::new(w, h, 0);
    let scene = scene(screen.size, 0, vec![element]);
    screen.draw(&scene, &screen.all());
    screen
}

/// `a * b / 255`, rounded as everybody in this field does.
fn mul(a: u32, b: u32) -> u32 {
    let t = a * b + 0x80;
    (t + (t >> 8)) >> 8
}

fn over(s: u32, d: u32) -> u32 {
    let (s, d) = (s.to_be_bytes().map(u32::from), d.to_be_bytes().map(u32::from));
    let channel = |i: usize| (s[i] + mul(d[i], 255 - s[0])).min(255);
    channel(1) << 16 | channel(2) << 8 | channel(3)
}

/// Premultiplied, so no channel is above alpha.
fn premultiplied(seed: u32) -> u32 {
    let [a, r, g, b] = seed.wrapping_mul(0x9e37_79b1).to_be_bytes().map(u32::from);
    a << 24 | mul(r, a) << 16 | mul(g, a) << 8 | mul(b, a)
}

#[test]
fn without_a_background_what_shows_nothing_is_transparent() {
    let half = element(
        1,
        picture(2, 1, |x, _| [0x8000_0010, 0xff00_ff00][x as usize]),
        source(0.0, 0.0, 2.0, 1.0),
        Transform::Normal,
        Rect::new(1, 0, 2, 1),
    );
    let solid = Element {
        content: Content::Solid(Color { r: 1, g: 2, b: 3 }),
        ..element(
            2,
            picture(1, 1, |_, _| 0),
            source(0.0, 0.0, 1.0, 1.0),
            Transform::Normal,
            Rect::new(3, 0, 1, 1),
        )
    };
    let mut screen = Screen::new(5, 1, 0xdead_beef);
    let view = View { background: None, elements: &[half, solid] };
    let all = Rect::new(0, 0, 4, 1).to_region();
    PixmanRenderer::new().render(view, &mut screen.target(), &all, &mut Vec::new());
    // The last pixel was not asked for.
    assert_eq!(screen.data, [0, 0x8000_0010, 0xff00_ff00, 0xff01_0203, 0xdead_beef]);
}

#[test]
fn premultiplied_alpha_is_blended_exactly() {
    let (w, h) = (256, 64);
    let pixel = |x: i32, y: i32| premultiplied((y * w + x) as u32);
    let e =
        element(1, picture(w, h, pixel), source(0., 0., 256., 64.), Transform::Normal, Rect::new(0, 0, w, h));
    let background = 0x0040_80c0;
    let mut screen = Screen::new(w, h, 0);
    let drawn = screen.draw(&scene(screen.size, background, vec![e]), &screen.all());
    assert_eq!(drawn, [Drawn { id: ElementId::Surface(1), bytes: 256 * 64 * 4, fault: false }]);
    for (x, y) in (0..h).flat_map(|y| (0..w).map(move |x| (x, y))) {
        assert_eq!(screen.at(x, y), over(pixel(x, y), background), "{:08x} at {x},{y}", pixel(x, y));
    }
}

#[test]
fn each_transform_puts_each_pixel_where_the_protocol_says() {
    // As stored: three columns, two rows.
    let stored = |x: i32, y: i32| 0xff00_0000 | (10 * (y * 3 + x) + 5) as u32;
    for transform in Transform::ALL {
        let shown = Size::new(3, 2).transformed(transform);
        let dest = Rect::at(Point::new(2, 1), shown);
        let e = element(1, picture(3, 2, stored), source(0., 0., 3., 2.), transform, dest);
        let screen = draw(6, 5, e);
        for (x, y) in (0..shown.h).flat_map(|y| (0..shown.w).map(move |x| (x, y))) {
            let middle = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (sx, sy) = transform.surface_to_buffer(middle.0, middle.1, shown.w.into(), shown.h.into());
            assert_eq!(
                screen.at(2 + x, 1 + y),
                stored(sx as i32, sy as i32) & 0xff_ffff,
                "{transform:?} at {x},{y}"
            );
        }
        let outside: usize = screen.rgb().iter().filter(|p| **p == 0).count();
        assert_eq!(outside, 30 - 6, "{transform:?}");
    }
}

#[test]
fn a_crop_shows_its_pixels_in_every_transform() {
    let stored = |x: i32, y: i32| 0xff00_0000 | (y * 16 + x) as u32;
    for transform in Transform::ALL {
        let shown = Size::new(3, 2).transformed(transform);
        let e = element(1, picture(9, 7, stored), source(4., 3., 3., 2.), transform, Rect::of_size(shown));
        let screen = draw(shown.w, shown.h, e);
        for (x, y) in (0..shown.h).flat_map(|y| (0..shown.w).map(move |x| (x, y))) {
            let middle = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (sx, sy) = transform.surface_to_buffer(middle.0, middle.1, shown.w.into(), shown.h.into());
            assert_eq!(screen.at(x, y), ((3 + sy as i32) * 16 + 4 + sx as i32) as u32, "{transform:?}");
        }
    }
}

#[test]
fn half_the_size_is_the_mean_of_four_pixels() {
    let stored =
        |x: i32, y: i32| 0xff00_0000 | ((x / 2) * 32 + (x % 2) * 8 + (y / 2) * 64 + (y % 2) * 16) as u32;
    let e =
        element(1, picture(8, 4, stored), source(0., 0., 8., 4.), Transform::Normal, Rect::new(0, 0, 4, 2));
    let screen = draw(4, 2, e);
    for (x, y) in (0..2).flat_map(|y| (0..4).map(move |x| (x, y))) {
        assert_eq!(screen.at(x, y), (x * 32 + y * 64 + 4 + 8) as u32);
    }
}

#[test]
fn twice_the_size_is_bilinear_and_its_edges_are_the_outermost_pixels() {
    let stored = |x: i32, _: i32| 0xff00_0000 | (x * 64) as u32;
    let e =
        element(1, picture(3, 1, stored), source(0., 0., 3., 1.), Transform::Normal, Rect::new(0, 0, 6, 2));
    let screen = draw(6, 2, e);
    let row = [0, 16, 48, 80, 112, 128];
    assert_eq!(screen.rgb(), [row, row].concat());
}

#[test]
fn neighbours_outside_the_crop_do_not_bleed_in() {
    let stored = |x: i32, y: i32| if (2..4).contains(&x) && (2..4).contains(&y) { RED } else { GREEN };
    for transform in Transform::ALL {
        let e = element(1, picture(6, 6, stored), source(2., 2., 2., 2.), transform, Rect::new(0, 0, 7, 5));
        assert!(draw(7, 5, e).rgb().iter().all(|p| *p == RED & 0xff_ffff), "{transform:?}");
    }
}

#[test]
fn a_fractional_crop_counts_the_pixels_it_touches() {
    let stored = |x: i32, _: i32| 0xff00_0000 | (x * 64) as u32;
    let e =
        element(1, picture(4, 1, stored), source(0.5, 0., 2., 1.), Transform::Normal, Rect::new(0, 0, 2, 1));
    assert_eq!(draw(2, 1, e).rgb(), [32, 96]);
}

/// What eight bits a channel of `bits` bits becomes.
fn widen(v: u32, bits: u32) -> u32 {
    match bits {
        5 => v << 3 | v >> 2,
        6 => v << 2 | v >> 4,
        8 => v,
        // pixman goes through floats, where 256 steps are cut off, not rounded: what was widened
        // from eight bits comes back as it was.
        10 => (v * 256 / 1023).min(255),
        _ => unreachable!(),
    }
}

/// Channels of each format as drm_fourcc.h has them: (name, bits of a, r, g, b, and the shift of each).
const CHANNELS: [(&str, [(u32, u32); 4]); 14] = [
    ("ARGB8888", [(8, 24), (8, 16), (8, 8), (8, 0)]),
    ("XRGB8888", [(0, 0), (8, 16), (8, 8), (8, 0)]),
    ("ABGR8888", [(8, 24), (8, 0), (8, 8), (8, 16)]),
    ("XBGR8888", [(0, 0), (8, 0), (8, 8), (8, 16)]),
    ("RGBA8888", [(8, 0), (8, 24), (8, 16), (8, 8)]),
    ("RGBX8888", [(0, 0), (8, 24), (8, 16), (8, 8)]),
    ("BGRA8888", [(8, 0), (8, 8), (8, 16), (8, 24)]),
    ("BGRX8888", [(0, 0), (8, 8), (8, 16), (8, 24)]),
    ("RGB565", [(0, 0), (5, 11), (6, 5), (5, 0)]),
    ("BGR565", [(0, 0), (5, 0), (6, 5), (5, 11)]),
    ("ARGB2101010", [(2, 30), (10, 20), (10, 10), (10, 0)]),
    ("XRGB2101010", [(0, 0), (10, 20), (10, 10), (10, 0)]),
    ("ABGR2101010", [(2, 30), (10, 0), (10, 10), (10, 20)]),
    ("XBGR2101010", [(0, 0), (10, 0), (10, 10), (10, 20)]),
];

/// Draws `count` raw pixels of `format` in one row, its bytes beginning `misplaced` bytes into a word.
fn draw_raw(format: Format, raw: &[u32], misplaced: usize) -> Screen {
    let (bpp, w) = (format.bytes_per_pixel() as usize, raw.len());
    let bytes: Vec<u8> = raw.iter().flat_map(|p| p.to_le_bytes()[..bpp].to_vec()).collect();
    let mut memory = vec![0u64; bytes.len() / 8 + 2];
    let base = memory.as_mut_ptr().cast::<u8>();
    // SAFETY: the vector has room for the bytes and for eight more before them.
    let ptr = unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), base.add(misplaced), bytes.len());
        base.add(misplaced).cast_const()
    };
    let mut screen = Screen::new(w as i32, 1, 0);
    let all = screen.all();
    let target = screen.target();
    let mut canvas = Canvas::new(&target, false).unwrap();
    let dest = Rect::of_size(target.size);
    let place = Placement { source: source(0., 0., w as f64, 1.), transform: Transform::Normal, dest };
    let pixels = Pixels { ptr, stride: w * bpp, size: target.size, format };
    let bytes = Painter::default().paint(&mut canvas, pixels, place, &all, &Region::default());
    assert_eq!(bytes, (w * bpp) as u64);
    drop(canvas);
    screen
}

#[test]
fn every_format_is_converted_exactly() {
    assert_eq!(Format::all().map(|f| f.name()).collect::<Vec<_>>(), CHANNELS.map(|c| c.0));
    for (format, (name, channels)) in Format::all().zip(CHANNELS) {
        let pack = |v: [u32; 4]| channels.iter().zip(v).fold(0, |p, ((_, shift), v)| p | v << shift);
        let max = channels.map(|(bits, _)| (1 << bits) - 1);
        // Every value of each channel, the others at different paces; alpha full.
        let raw: Vec<[u32; 4]> =
            (0..1024).map(|i| [max[0], i & max[1], (i * 7 + 3) & max[2], (i * 5 + 1) & max[3]]).collect();
        for misplaced in [0, 2] {
            let packed: Vec<u32> = raw.iter().map(|v| pack(*v)).collect();
            let screen = draw_raw(format, &packed, misplaced);
            for (v, shown) in raw.iter().zip(screen.rgb()) {
                let wide = |i: usize| widen(v[i], channels[i].0);
                assert_eq!(shown, wide(1) << 16 | wide(2) << 8 | wide(3), "{name} {v:?}");
            }
        }
        if format.is_opaque() {
            // What stands where others have alpha changes nothing.
            let junk: Vec<u32> = raw.iter().map(|v| pack(*v) | !pack(max)).collect();
            let clean: Vec<u32> = raw.iter().map(|v| pack(*v)).collect();
            assert_eq!(draw_raw(format, &junk, 0).rgb(), draw_raw(format, &clean, 0).rgb(), "{name}");
        }
    }
}

#[test]
fn rows_that_pixman_would_refuse_are_drawn() {
    // Three pixels of two bytes: a stride of six, which is no multiple of four.
    let format = Format::from_wire(wl_shm::Format::Rgb565).unwrap();
    let raw: [u16; 6] = [0xf800, 0x07e0, 0x001f, 0xffff, 0, 0xf800];
    let mut screen = Screen::new(3, 2, 0);
    let all = screen.all();
    let target = screen.target();
    let mut canvas = Canvas::new(&target, false).unwrap();
    let pixels = Pixels { ptr: raw.as_ptr().cast(), stride: 6, size: target.size, format };
    let place = Placement {
        source: source(0., 0., 3., 2.),
        transform: Transform::Normal,
        dest: Rect::of_size(target.size),
    };
    Painter::default().paint(&mut canvas, pixels, place, &all, &Region::default());
    drop(canvas);
    assert_eq!(screen.rgb(), [0xff0000, 0x00ff00, 0x0000ff, 0xffffff, 0, 0xff0000]);
}

#[test]
fn hidden_elements_are_neither_drawn_nor_read() {
    let full = source(0., 0., 8., 8.);
    let at = |id, content, opaque: Rect| {
        let mut e = element(id, content, full, Transform::Normal, Rect::new(0, 0, 8, 8));
        e.opaque = opaque.to_region();
        e
    };
    let hidden = at(1, picture(8, 8, |_, _| GREEN), Rect::default());
    let below = at(2, picture(8, 8, |_, _| 0xff00_00ff), Rect::default());
    // Says that its upper half is opaque, and that is believed: no blending there.
    let above = at(3, picture(8, 8, |_, _| 0x8000_0010), Rect::new(0, 0, 8, 4));
    let cover = Element {
        content: Content::Solid(Color { r: 1, g: 2, b: 3 }),
        ..at(4, picture(1, 1, |_, _| 0), Rect::default())
    };
    let mut screen = Screen::new(8, 8, 0);
    let s = scene(screen.size, 0, vec![hidden, cover, below, above]);
    let drawn = screen.draw(&s, &screen.all());
    let bytes = |id, bytes| Drawn { id: ElementId::Surface(id), bytes, fault: false };
    assert_eq!(drawn, [bytes(4, 0), bytes(2, 4 * 8 * 4), bytes(3, 8 * 8 * 4)]);
    assert_eq!(screen.at(0, 0), 0x10);
    assert_eq!(screen.at(0, 3), 0x10);
    assert_eq!(screen.at(0, 4), over(0x8000_0010, 0xff));
}

#[test]
fn nothing_outside_the_damage_changes() {
    let e = element(
        1,
        picture(6, 6, |_, _| RED),
        source(0., 0., 6., 6.),
        Transform::Normal,
        Rect::new(-2, -2, 6, 6),
    );
    let mut screen = Screen::new(10, 10, 0x77_7777);
    let damage = Rect::new(1, 1, 2, 9).to_region().union_rect(8, 0, 500, 1);
    let s = scene(screen.size, 0, vec![e]);
    let drawn = screen.draw(&s, &damage);
    assert_eq!(drawn[0].bytes, 2 * 3 * 4);
    for (x, y) in (0..10).flat_map(|y| (0..10).map(move |x| (x, y))) {
        let expected = match () {
            () if damage.contains_point(x, y).is_none() => 0x77_7777,
            () if x < 4 && y < 4 => RED & 0xff_ffff,
            () => 0,
        };
        assert_eq!(screen.at(x, y), expected, "{x},{y}");
    }
    // Nor where there is no target, or nothing to see.
    assert!(screen.draw(&s, &Rect::new(50, 50, 9, 9).to_region()).is_empty());
    assert!(screen.draw(&s, &Region::default()).is_empty());
}

#[test]
fn a_source_that_leaves_its_content_is_cut_and_an_empty_one_draws_nothing() {
    let stored = |x: i32, y: i32| 0xff00_0000 | (y * 2 + x + 1) as u32;
    let odd = [
        source(5., 5., 1., 1.),
        source(0., 0., 0., 1.),
        source(f64::NAN, 0., 1., 1.),
        source(0., 0., f64::NAN, 1.),
        source(1., 1., -1., 1.),
    ];
    for s in odd {
        let e = element(1, picture(2, 2, stored), s, Transform::Normal, Rect::new(0, 0, 1, 1));
        assert_eq!(draw(1, 1, e).rgb(), [0], "{s:?}");
    }
    // Twice as large as what is there: the outermost pixels go on.
    let e =
        element(1, picture(2, 2, stored), source(0., 0., 4., 1.), Transform::Normal, Rect::new(0, 0, 4, 1));
    assert_eq!(draw(4, 1, e).rgb(), [1, 2, 2, 2]);
}

#[test]
fn sizes_beyond_fixed_point_are_drawn_piece_by_piece() {
    // 40,000 columns, shown in 100: pixman alone would draw nothing.
    let stored = |x: i32, _: i32| 0xff00_0000 | (x / 400) as u32;
    let e = element(
        1,
        picture(40_000, 1, stored),
        source(0., 0., 40_000., 1.),
        Transform::Normal,
        Rect::new(0, 0, 100, 1),
    );
    assert_eq!(draw(100, 1, e).rgb(), (0..100).collect::<Vec<_>>());
    // And a window so enlarged that its corner is far away.
    let stored = |x: i32, _: i32| if x < 2 { RED } else { GREEN };
    let dest = Rect::new(-50_000, 0, 100_000, 1);
    let e = element(1, picture(4, 1, stored), source(0., 0., 4., 1.), Transform::Normal, dest);
    assert_eq!(draw(1, 1, e).at(0, 0) & 0xff, 0);
    let far = Rect::new(i32::MIN, 0, i32::MAX, 1);
    let e = element(1, picture(4, 1, stored), source(0., 0., 4., 1.), Transform::Normal, far);
    assert_eq!(draw(1, 1, e).rgb(), [0]);
}

#[test]
fn targets_that_cannot_be_drawn_into_are_left_alone() {
    let mut screen = Screen::new(4, 4, 0x11);
    let s = scene(screen.size, 0xff_ffff, vec![]);
    for (size, stride) in
        [(Size::new(0, 4), 16), (Size::new(4, 4), 12), (Size::new(4, 3), 18), (Size::new(40_000, 1), 160_000)]
    {
        let mut target = Target { size, stride, ..screen.target() };
        PixmanRenderer::new().render(
            s.view(),
            &mut target,
            &Rect::of_size(size).to_region(),
            &mut Vec::new(),
        );
    }
    assert!(screen.rgb().iter().all(|p| *p == 0x11));
}

/// A client's 64x64 buffer in a memfd without seals, and that memfd.
fn guarded_buffer() -> (Content, std::fs::File) {
    use crate::buffer::{Buffer, BufferUse, Layout, Policy, Pool, Source, admit};
    let size = 64 * 64 * 4;
    let fd = shm_core::memfd::create("test", size, None).unwrap();
    let file = std::fs::File::from(fd.try_clone().unwrap());
    let admitted = admit(fd, size, Policy::Guard).map_err(|(refusal, _)| refusal).unwrap();
    let limits = Arc::new(crate::Limits::default());
    let departures = Arc::default();
    let client = crate::ClientState::new(1, 1, "test".into(), Policy::Guard, limits, departures);
    let pool = Pool::new(1, admitted.fd, size, admitted.access, admitted.facts, Arc::new(client));
    let layout = Layout::check((0, 64, 64, 256), Format::XRGB8888, size).unwrap();
    (Content::Buffer(Arc::new(BufferUse::new(Buffer::new(1, Source::Shm { pool, layout })))), file)
}

#[test]
fn memory_that_is_taken_away_is_reported_and_the_rest_is_drawn() {
    let (content, file) = guarded_buffer();
    let all = Rect::new(0, 0, 64, 64);
    let gone = || element(1, content.clone(), source(0., 0., 64., 64.), Transform::Normal, all);
    let other = || {
        element(
            2,
            picture(8, 8, |_, _| RED),
            source(0., 0., 8., 8.),
            Transform::Normal,
            Rect::new(0, 0, 8, 8),
        )
    };
    let mut screen = Screen::new(64, 64, 0x55_5555);
    let s = scene(screen.size, 0xff, vec![gone(), other()]);
    let id = ElementId::Surface;
    let drawn = screen.draw(&s, &screen.all());
    let second = Drawn { id: id(2), bytes: 8 * 8 * 4, fault: false };
    assert_eq!(drawn, [Drawn { id: id(1), bytes: 64 * 64 * 4, fault: false }, second]);
    file.set_len(4096).unwrap();
    let drawn = screen.draw(&s, &screen.all());
    assert_eq!(drawn, [Drawn { id: id(1), bytes: 0, fault: true }, second]);
    assert_eq!(screen.at(0, 0), RED & 0xff_ffff);
    // Scaled, it is pixman that runs into it.
    let half = Element { dest: Rect::new(0, 0, 32, 32), ..gone() };
    let drawn = screen.draw(&scene(screen.size, 0, vec![half]), &screen.all());
    assert_eq!(drawn, [Drawn { id: id(1), bytes: 0, fault: true }]);
}

/// What an element of a random scene is made from.
#[derive(Debug, Clone)]
struct Recipe {
    /// 0: one colour; 1: translucent; 2: opaque ARGB; 3: as 1, its whole content shown pixel for pixel.
    kind: u8,
    size: (i32, i32),
    /// Fractions of what is left of the content: where the crop begins, and how far it goes.
    crop: (f64, f64, f64, f64),
    transform: usize,
    dest: (i32, i32, i32, i32),
    opaque: Option<(i32, i32, i32, i32)>,
    seed: u32,
}

impl Recipe {
    fn strategy() -> impl Strategy<Value = Self> {
        let fraction = 0.0..1.0f64;
        (
            0..4u8,
            (1..40i32, 1..40i32),
            (fraction.clone(), fraction.clone(), fraction.clone(), fraction),
            0..8usize,
            (-20..70i32, -20..70i32, 1..60i32, 1..60i32),
            proptest::option::of((0..30i32, 0..30i32, 1..40i32, 1..40i32)),
            any::<u32>(),
        )
            .prop_map(|(kind, size, crop, transform, dest, opaque, seed)| Self {
                kind,
                size,
                crop,
                transform,
                dest,
                opaque,
                seed,
            })
    }

    fn element(&self, id: u64) -> Element {
        let ((w, h), seed, transform) = (self.size, self.seed, Transform::ALL[self.transform]);
        let or = if self.kind == 2 { 0xff00_0000 } else { 0 };
        let content = match self.kind {
            0 => Content::Solid(Color { r: seed as u8, g: 7, b: 200 }),
            _ => picture(w, h, |x, y| premultiplied(seed ^ (y * 64 + x) as u32) | or),
        };
        let mut dest = Rect::new(self.dest.0, self.dest.1, self.dest.2, self.dest.3);
        let (fw, fh) = (f64::from(w), f64::from(h));
        let mut shown = source(0., 0., fw, fh);
        if self.kind == 3 {
            dest = Rect::at(dest.origin(), Size::new(w, h).transformed(transform));
        } else {
            // In 1/256, as the protocol has them.
            let cut = |v: f64| (v * 256.0).floor() / 256.0;
            (shown.x, shown.y) = (cut(self.crop.0 * fw * 0.9), cut(self.crop.1 * fh * 0.9));
            shown.w = cut(self.crop.2 * (fw - shown.x)).max(1.0 / 256.0);
            shown.h = cut(self.crop.3 * (fh - shown.y)).max(1.0 / 256.0);
        }
        let opaque = self.opaque.map(|(x, y, w, h)| Rect::new(dest.x + x, dest.y + y, w, h).intersect(dest));
        Element {
            opaque: opaque.map(Rect::to_region).unwrap_or_default(),
            ..element(id, content, shown, transform, dest)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the scene: drawn in pieces, it is the same picture as drawn at once.
    #[test]
    fn pieces_make_the_whole(
        recipes in proptest::collection::vec(Recipe::strategy(), 0..7),
        cuts in proptest::collection::vec((0..64i32, 0..64i32, 1..64i32, 1..64i32), 0..6),
    ) {
        let elements = recipes.iter().enumerate().map(|(i, r)| r.element(i as u64)).collect();
        let s = scene(Size::new(64, 64), 0x20_4060, elements);
        let mut whole = Screen::new(64, 64, 0);
        whole.draw(&s, &whole.all());
        let mut pieces = Screen::new(64, 64, 0);
        let mut rest = pieces.all();
        for (x, y, w, h) in cuts {
            let piece = Rect::new(x, y, w, h).to_region();
            pieces.draw(&s, &piece.intersect(&rest));
            rest = rest.subtract(&piece);
        }
        pieces.draw(&s, &rest);
        prop_assert_eq!(whole.rgb(), pieces.rgb());
    }
}
