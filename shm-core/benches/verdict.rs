//! What safety costs: the verdict, the guard, and the ways to read one 1080p frame.
//!
//! `cargo bench -p shm-core`. The frame is 1920x1080 pixels of 4 bytes. "cold" reads one of sixteen frames in turn, so that
//! it comes from memory rather than from the cache.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::os::fd::{AsFd, OwnedFd};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use shm_core::mapping::{Guarded, Mapping, Sealed};
use shm_core::memfd;
use shm_core::pread::Reader;
use shm_core::seals::Seals;
use shm_core::verdict;

const FRAME: usize = 1920 * 1080 * 4;

fn memory(seals: Option<Seals>, size: usize) -> OwnedFd {
    let fd = memfd::create("selkie-bench", size as u64, seals).unwrap();
    let page = vec![0x5a; 1 << 20];
    for at in (0..size).step_by(page.len()) {
        rustix::io::pwrite(&fd, &page[..page.len().min(size - at)], at as u64).unwrap();
    }
    fd
}

fn verdicts(c: &mut Criterion) {
    let mut group = c.benchmark_group("verdict");
    let sealed = memory(Some(Seals::SHRINK), 4096);
    group.bench_function("F_GET_SEALS and fstat alone", |b| {
        b.iter(|| (Seals::of(&sealed).unwrap(), rustix::fs::fstat(&sealed).unwrap().st_size));
    });
    group.bench_function("sealed", |b| b.iter(|| verdict::examine(sealed.as_fd(), 4096)));
    let never = memory(None, 4096);
    group.bench_function("never sealable", |b| b.iter(|| verdict::examine(never.as_fd(), 4096)));
    let disk = tempfile::tempfile().unwrap();
    group.bench_function("without seals", |b| b.iter(|| verdict::examine(disk.as_fd(), 4096)));
    group.bench_function("adopt", |b| {
        let fresh = || memfd::create("selkie-bench", 4096, Some(Seals::empty())).unwrap();
        b.iter_batched(fresh, |fd| verdict::adopt(fd.as_fd(), 4096), BatchSize::NumIterations(64));
    });
    group.finish();
}

fn guard(c: &mut Criterion) {
    let mut group = c.benchmark_group("guard");
    let fd = memory(Some(Seals::SHRINK), FRAME);
    let mapping = Mapping::<Sealed>::new(fd.as_fd(), FRAME as u64).unwrap();
    group.bench_function("arm and disarm", |b| {
        b.iter(|| black_box(&mapping).read(black_box(0..FRAME), |start, _| start.addr()));
    });
    group.bench_function("map, read one byte, unmap", |b| {
        b.iter(|| {
            Mapping::<Sealed>::new(fd.as_fd(), FRAME as u64).unwrap().copy_to(0, black_box(&mut [0])).unwrap()
        });
    });
    group.bench_function("one caught SIGBUS", |b| {
        let vanished = || {
            let fd = memfd::create("selkie-bench", 4096, Some(Seals::empty())).unwrap();
            let mapping = Mapping::<Guarded>::new(fd.as_fd(), 4096).unwrap();
            rustix::fs::ftruncate(&fd, 0).unwrap();
            mapping
        };
        b.iter_batched_ref(
            vanished,
            |mapping| mapping.copy_to(0, black_box(&mut [0])).unwrap_err(),
            BatchSize::NumIterations(64),
        );
    });
    group.finish();
}

fn frames(c: &mut Criterion) {
    const FRAMES: usize = 16;
    for (name, count) in [("1080p frame, warm", 1), ("1080p frame, cold", FRAMES)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(FRAME as u64)).sample_size(40);
        let fd = memory(Some(Seals::SHRINK), FRAME * count);
        let private = vec![0x5a_u8; FRAME * count];
        let mut screen = vec![0_u8; FRAME];
        let mut turn = 0;
        let mut next = move || {
            turn = (turn + 1) % count;
            turn * FRAME
        };
        group.bench_function("memcpy of private memory", |b| {
            b.iter(|| {
                let at = next();
                screen.copy_from_slice(black_box(&private[at..at + FRAME]));
            });
        });
        let mapping = Mapping::<Guarded>::new(fd.as_fd(), (FRAME * count) as u64).unwrap();
        // Touch every page once: what a page fault costs is another question.
        for at in (0..FRAME * count).step_by(4096) {
            mapping.copy_to(at, black_box(&mut [0])).unwrap();
        }
        group
            .bench_function("mapping, copy_to", |b| b.iter(|| mapping.copy_to(next(), &mut screen).unwrap()));
        let rows = 1920 * 4;
        group.bench_function("mapping, copy_rows of 1904 pixels", |b| {
            b.iter(|| mapping.copy_rows(next(), rows, rows - 64, 1080, &mut screen, rows).unwrap());
        });
        let reader = Reader::open(fd.as_fd(), (FRAME * count) as u64).unwrap();
        group.bench_function("pread", |b| b.iter(|| reader.read_at(next() as u64, &mut screen).unwrap()));
        group.bench_function("pread, rows of 1904 pixels", |b| {
            b.iter(|| reader.read_rows(next() as u64, rows, rows - 64, 1080, &mut screen, rows).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, verdicts, guard, frames);
criterion_main!(benches);
