//! What one composed frame costs, beside a memcpy of the same bytes.
//!
//! Memory is cold: each frame reads and writes other pages than the seven before, more than a cache holds.
#![allow(missing_docs, unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use selkie_compositor::geometry::{Rect, RectF, Region, Size, Transform};
use selkie_compositor::render::pixman::PixmanRenderer;
use selkie_compositor::render::{Renderer, Target};
use selkie_compositor::scene::{Color, Content, Element, ElementId, Image, News, Scene};

const HD: Size = Size::new(1920, 1080);
const UHD: Size = Size::new(3840, 2160);

fn picture(size: Size, seed: u32) -> Content {
    let pixels = (0..(size.w * size.h) as u32).map(|i| 0xff00_0000 | i.wrapping_mul(seed | 1)).collect();
    Content::Image(Arc::new(Image { size, pixels }))
}

fn element(id: u64, content: Content, size: Size, dest: Rect, opaque: bool) -> Element {
    let source = RectF { x: 0.0, y: 0.0, w: size.w.into(), h: size.h.into() };
    let opaque = if opaque { dest } else { Rect::default() }.to_region();
    Element {
        id: ElementId::Surface(id),
        content,
        source,
        transform: Transform::Normal,
        dest,
        opaque,
        news: News::default(),
    }
}

fn scene(size: Size, elements: Vec<Element>) -> Scene {
    Scene { scale: 1, size, background: Color::default(), elements, covered: false }
}

/// As many scenes and targets as make sure that none is still in a cache when its turn comes.
struct Cold {
    scenes: Vec<Scene>,
    targets: Vec<Vec<u32>>,
    next: usize,
    renderer: PixmanRenderer,
    drawn: Vec<selkie_compositor::render::Drawn>,
}

impl Cold {
    fn new(size: Size, make: impl Fn(u32) -> Scene) -> Self {
        Self {
            scenes: (0..8).map(make).collect(),
            targets: (0..8).map(|_| vec![1; (size.w * size.h) as usize]).collect(),
            next: 0,
            renderer: PixmanRenderer::new(),
            drawn: Vec::new(),
        }
    }

    fn turn(&mut self) -> usize {
        self.next = (self.next + 1) % 8;
        self.next
    }

    fn frame(&mut self, damage: &Region) {
        let i = self.turn();
        let size = self.scenes[i].size;
        let ptr = self.targets[i].as_mut_ptr().cast();
        self.drawn.clear();
        let mut target = Target { ptr, stride: size.w as usize * 4, size };
        self.renderer.render(self.scenes[i].view(), &mut target, damage, &mut self.drawn);
    }

    /// What there is to beat: the bytes of `r`, copied as directly as can be.
    fn memcpy(&mut self, r: Rect) {
        let i = self.turn();
        let Content::Image(image) = &self.scenes[i].elements[0].content else { return };
        let (w, target) = (image.size.w as usize, &mut self.targets[i]);
        if r.w == image.size.w {
            target.copy_from_slice(&image.pixels);
        } else {
            for y in r.y as usize..r.bottom() as usize {
                let row = y * w + r.x as usize..y * w + r.right() as usize;
                target[row.clone()].copy_from_slice(&image.pixels[row]);
            }
        }
        black_box(target);
    }
}

/// One full-screen window, all of it or 64x64 pixels of it changed.
fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (name, size) in [("1080p", HD), ("2160p", UHD)] {
        let full = Rect::of_size(size);
        let mut cold = Cold::new(size, |i| {
            scene(size, vec![element(0, picture(size, 0x9e37_79b1 + i), size, full, true)])
        });
        for (part, r) in [("full", full), ("64x64", Rect::new(800, 500, 64, 64))] {
            group.throughput(Throughput::Bytes(r.w as u64 * r.h as u64 * 4));
            let damage = r.to_region();
            let id = format!("{name}/{part}");
            group.bench_function(BenchmarkId::new("memcpy", &id), |b| b.iter(|| cold.memcpy(r)));
            group.bench_function(BenchmarkId::new("render", &id), |b| b.iter(|| cold.frame(&damage)));
        }
    }
    group.finish();
}

/// Fifty windows of 480x360, overlapping, over the whole of a 1080p output.
fn windows(c: &mut Criterion) {
    let size = Size::new(480, 360);
    let mut group = c.benchmark_group("50-windows");
    for (name, opaque) in [("opaque", true), ("translucent", false)] {
        let mut cold = Cold::new(HD, |i| {
            let windows = (0..50).map(|n| {
                let dest = Rect::new((n % 10) * 160, (n / 10) * 180, size.w, size.h);
                element(n as u64, picture(size, i * 50 + n as u32), size, dest, opaque)
            });
            scene(HD, windows.collect())
        });
        let damage = Rect::of_size(HD).to_region();
        group.bench_function(name, |b| b.iter(|| cold.frame(&damage)));
    }
    group.finish();
}

/// The ways that pixman must compute: blending, scaling, turning.
fn composites(c: &mut Criterion) {
    let mut group = c.benchmark_group("1080p");
    let full = Rect::of_size(HD);
    let half = Size::new(HD.w / 2, HD.h / 2);
    let turned = HD.transformed(Transform::Rotated90);
    let cases: [(&str, Size, Transform, bool); 5] = [
        ("over", HD, Transform::Normal, false),
        ("enlarged", half, Transform::Normal, true),
        ("reduced", UHD, Transform::Normal, true),
        ("rotated-90", turned, Transform::Rotated90, true),
        ("rotated-180", HD, Transform::Rotated180, true),
    ];
    for (name, size, transform, opaque) in cases {
        let mut cold = Cold::new(HD, |i| {
            let e = element(0, picture(size, i), size, full, opaque);
            scene(HD, vec![Element { transform, ..e }])
        });
        let damage = full.to_region();
        group.bench_function(name, |b| b.iter(|| cold.frame(&damage)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).measurement_time(std::time::Duration::from_secs(2));
    targets = frames, windows, composites
}
criterion_main!(benches);
