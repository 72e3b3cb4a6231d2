//! Rings between real processes: every frame arrives, and whoever is left alone learns of it.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use shm_core::fdpass;
use shm_core::own::OwnMemory;
use shm_core::ring::{Consumer, Geometry, OpenError, Producer, RingError, Side};
use shm_core::seals::Seals;

use crate::{dmabuf, page, peer};

mod expected;

/// Nothing here takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(100);

const GEOMETRY: Geometry = Geometry { slots: 8, slot_size: 64 };

fn memory(seals: Seals) -> OwnMemory {
    OwnMemory::create("selkie-test-ring", GEOMETRY.memory_len().unwrap(), Some(seals)).unwrap()
}

fn again(memory: &OwnMemory) -> OwnMemory {
    OwnMemory::map_shared(memory.fd().try_clone_to_owned().unwrap(), memory.len() as u64).unwrap()
}

/// A process at the other end of a ring, to which it has attached; killed when dropped.
struct Other(Child);

/// Has such a process attach.
struct Come(UnixStream);

impl Come {
    fn send(self, memory: &OwnMemory) {
        fdpass::send(&self.0, b"ring", &[memory.fd()]).unwrap();
        // Who dies before that has never come.
        (&self.0).read_exact(&mut [0]).unwrap();
    }
}

impl Other {
    fn start(role: &str, memory: &OwnMemory) -> Other {
        let (other, come) = Other::start_absent(role);
        come.send(memory);
        other
    }

    /// One that has not attached yet.
    fn start_absent(role: &str) -> (Other, Come) {
        let (stream, theirs) = UnixStream::pair().unwrap();
        let other = Other(peer::command(role, &[]).stdin(OwnedFd::from(theirs)).spawn().unwrap());
        (other, Come(stream))
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn end(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What such a process does: `ring send COUNT THEN` or `ring receive COUNT THEN`, and others that are tests of their own.
pub fn role(role: &str) {
    let words: Vec<&str> = role.split(' ').collect();
    let (act, count, then) = match words[1..] {
        ["killings", seed] => return killings(seed.parse().unwrap()),
        [act, count, then] => (act, count.parse::<u64>().unwrap(), then),
        _ => panic!("what is {role}?"),
    };
    let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut received = fdpass::recv(&stream, &mut [0; 8], 1).unwrap();
    let memory = OwnMemory::map_shared(received.fds.pop().unwrap(), GEOMETRY.memory_len().unwrap()).unwrap();
    let spin = if then == "asleep" { Duration::ZERO } else { shm_core::ring::DEFAULT_SPIN };
    if act == "send" {
        let mut producer = Producer::attach(memory).unwrap();
        producer.set_spin(spin);
        (&stream).write_all(&[0]).unwrap();
        send(&mut producer, 0..count).unwrap();
        stay(then);
    } else {
        let mut consumer = Consumer::attach(memory).unwrap();
        consumer.set_spin(spin);
        (&stream).write_all(&[0]).unwrap();
        receive(&mut consumer, 0..count).unwrap();
        stay(then);
    }
}

/// Neither goes on nor ends.
fn stay(then: &str) {
    if then == "stay" {
        loop {
            std::thread::park();
        }
    }
}

/// A frame's content: its number, again and again; its length differs from that of the one before.
fn frame(number: u64) -> Vec<u8> {
    let len = usize::try_from(number % 65).unwrap();
    number.to_ne_bytes().into_iter().cycle().take(len).collect()
}

fn send(producer: &mut Producer<OwnMemory>, numbers: impl IntoIterator<Item = u64>) -> Result<(), RingError> {
    for number in numbers {
        let bytes = frame(number);
        let mut slot = producer.reserve()?;
        slot.write_at(0, &bytes).unwrap();
        slot.commit(bytes.len())?;
    }
    Ok(())
}

fn receive(
    consumer: &mut Consumer<OwnMemory>,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<(), RingError> {
    for number in numbers {
        let received = consumer.receive()?;
        assert_eq!(received.to_vec().unwrap(), frame(number), "frame {number}");
        received.release()?;
    }
    Ok(())
}

/// Runs `f` on a thread, and fails if that takes too long.
fn in_time<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, result) = channel();
    std::thread::spawn(move || done.send(f()));
    result.recv_timeout(DEADLINE).expect("no end, or a panic")
}

#[test]
fn a_hundred_thousand_frames_arrive_in_order() {
    const COUNT: u64 = 100_000;
    for then in ["spinning", "asleep"] {
        in_time(move || {
            let memory = memory(Seals::SHRINK);
            let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
            let other = Other::start(&format!("ring send {COUNT} {then}"), &memory);
            receive(&mut consumer, 0..COUNT).unwrap();
            assert!(matches!(consumer.receive(), Err(RingError::Closed { side: Side::Producer })));
            assert!(other.end().success());
        });
        in_time(move || {
            let memory = memory(Seals::SHRINK);
            let mut producer = Producer::create(again(&memory), GEOMETRY).unwrap();
            let other = Other::start(&format!("ring receive {COUNT} {then}"), &memory);
            send(&mut producer, 0..COUNT).unwrap();
            assert!(matches!(send(&mut producer, COUNT..), Err(RingError::Closed { side: Side::Consumer })));
            assert!(other.end().success());
        });
    }
}

#[test]
fn a_large_frame_arrives() {
    let geometry = Geometry { slots: 2, slot_size: 8 << 20 };
    let len = geometry.memory_len().unwrap();
    let memory = OwnMemory::create("selkie-test-ring", len, Some(Seals::SHRINK)).unwrap();
    let mut producer = Producer::create(again(&memory), geometry).unwrap();
    let mut consumer = Consumer::attach(memory).unwrap();
    for number in 0..3 {
        let bytes = vec![number; 8 << 20];
        let mut slot = producer.reserve().unwrap();
        assert!(slot.run(|start, _| start.addr() % 4096 == 0).unwrap());
        slot.write_at(0, &bytes).unwrap();
        slot.commit(bytes.len()).unwrap();
        assert!(consumer.receive().unwrap().to_vec().unwrap() == bytes);
    }
}

#[test]
fn two_hundred_killings_leave_nobody_waiting_and_nothing_behind() {
    // In a process of its own, whose fds, threads and mappings nobody else changes.
    let status = peer::command("ring killings 0", &[]).status().unwrap();
    assert!(status.success(), "{status}");
}

/// What there is of this process: fds, threads, mappings of rings.
fn belongings() -> (usize, usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let rings = maps.lines().filter(|line| line.contains("selkie-test-ring")).count();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    (shm_core::process::open_fds().unwrap(), threads, rings)
}

/// The same once nobody is left but this thread and the one that looks after the time.
fn settled() -> (usize, usize, usize) {
    loop {
        match belongings() {
            all if all.1 <= 3 => return all,
            _ => std::thread::yield_now(),
        }
    }
}

/// Numbers that look like chance, and are the same each time (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        self.0 % limit
    }
}

fn killings(seed: u64) {
    let (done, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(DEADLINE).is_err() {
            eprintln!("somebody waits for ever");
            std::process::abort();
        }
    });
    let mut chance = Chance(seed + 0x9e37_79b9_7f4a_7c15);
    let mut before = None;
    for round in 0..200 {
        // Half of them while both are busy, half while we wait for one that does nothing any more.
        let count = if round % 2 == 0 { u64::MAX } else { chance.below(40) };
        // So many more frames or moments, and somebody else kills it.
        let (frames, moments) = (chance.below(3000), chance.below(2000));
        let memory = memory(Seals::SHRINK);
        let died = |result: Result<(), RingError>, side: Side, pid: u32| {
            assert!(
                matches!(result, Err(RingError::Died { side: of, pid: number }) if of == side && number == pid),
                "round {round}: {result:?}"
            );
        };
        let kill = |other: Other| {
            std::thread::spawn(move || {
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(moments) {
                    std::hint::spin_loop();
                }
                other.kill();
            })
        };
        if round / 2 % 2 == 0 {
            let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
            let other = Other::start(&format!("ring send {count} stay"), &memory);
            let pid = other.pid();
            let first = if count == u64::MAX { frames } else { count };
            receive(&mut consumer, 0..first).unwrap();
            let killer = kill(other);
            died(receive(&mut consumer, first..), Side::Producer, pid);
            // And so it stays.
            died(consumer.try_receive().map(drop), Side::Producer, pid);
            assert!(matches!(Producer::attach(again(&memory)), Err(OpenError::Taken { .. })));
            drop(Producer::take_over(again(&memory)).unwrap());
            killer.join().unwrap();
        } else {
            let mut producer = Producer::create(again(&memory), GEOMETRY).unwrap();
            let other = Other::start(&format!("ring receive {count} stay"), &memory);
            let pid = other.pid();
            let first = if count == u64::MAX { frames } else { count };
            // What it does not read there is room for.
            send(&mut producer, 0..first + 1).unwrap();
            let killer = kill(other);
            died(send(&mut producer, first + 1..), Side::Consumer, pid);
            died(producer.try_reserve().map(drop), Side::Consumer, pid);
            assert!(matches!(Consumer::attach(again(&memory)), Err(OpenError::Taken { .. })));
            drop(Consumer::take_over(again(&memory)).unwrap());
            killer.join().unwrap();
        }
        drop(memory);
        // A thread that has been joined is in /proc a moment longer.
        let (before, start) = (*before.get_or_insert_with(settled), Instant::now());
        while belongings() != before {
            assert!(start.elapsed() < DEADLINE / 10, "round {round}: {before:?}, now {:?}", belongings());
            std::thread::yield_now();
        }
    }
    done.send(()).unwrap();
}

#[test]
fn who_waits_sleeps() {
    let memory = memory(Seals::SHRINK);
    let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
    let mut producer = Producer::attach(memory).unwrap();
    let (tell, told) = channel();
    let waits = std::thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        receive(&mut consumer, 0..1).unwrap();
    });
    let thread = told.recv().unwrap().as_raw_nonzero();
    // proc_pid_syscall(5): the call that it sleeps in, if it does.
    let call = || std::fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap();
    let futex = format!("{} ", libc::SYS_futex);
    let start = Instant::now();
    while !call().starts_with(&futex) {
        assert!(start.elapsed() < DEADLINE, "{}", call());
        std::thread::yield_now();
    }
    for _ in 0..1000 {
        assert!(call().starts_with(&futex), "{}", call());
    }
    send(&mut producer, 0..1).unwrap();
    waits.join().unwrap();
}

#[test]
fn memory_that_shrinks_is_an_error() {
    let memory = memory(Seals::empty());
    let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
    let mut producer = Producer::attach(again(&memory)).unwrap();
    send(&mut producer, 0..3).unwrap();
    receive(&mut consumer, 0..1).unwrap();
    rustix::fs::ftruncate(memory.fd(), 0).unwrap();
    assert!(matches!(producer.reserve().map(drop), Err(RingError::Fault { .. })));
    assert!(matches!(consumer.receive().map(drop), Err(RingError::Fault { .. })));
    assert!(matches!(producer.close(), Err(RingError::Fault { .. })));
    assert!(matches!(Consumer::attach(memory).map(drop), Err(OpenError::Fault { .. })));
}

/// The kernel cannot wait in memory that a driver has mapped: the slots can be there, and the rest is elsewhere.
#[test]
fn a_ring_over_a_dmabuf_has_its_words_elsewhere() {
    let page = page();
    let geometry = Geometry { slots: 3, slot_size: page as u64 };
    let (control_len, slots_len) = geometry.split_memory_len().unwrap();
    let len = slots_len + page as u64;
    let memfd = crate::memory(usize::try_from(len).unwrap(), Seals::SHRINK);
    let of_memfd =
        dmabuf::udmabuf("ring over a dma-buf").map(|device| device.create(&memfd, 0, len).unwrap());
    let of_heap = dmabuf::heap("ring over a dma-buf").map(|heap| heap.allocate(len).unwrap());
    for buffer in of_memfd.into_iter().chain(of_heap) {
        let exporter = buffer.exporter().to_owned();
        let map = || OwnMemory::map_shared(buffer.fd().try_clone_to_owned().unwrap(), len).unwrap();
        let whole = Geometry { slots: 1, slot_size: 64 };
        let refused = Producer::create(map(), whole).map(drop).unwrap_err();
        assert!(matches!(refused, OpenError::NoFutex), "{exporter}: {refused:?}");
        let mut first = [1; 4096];
        map().read_at(0, &mut first).unwrap();
        assert!(first == [0; 4096], "{exporter}: something was left by a ring that was not made");
        let control = OwnMemory::create("selkie-test-ring", control_len, Some(Seals::SHRINK)).unwrap();
        let mut producer = Producer::create_split(again(&control), map(), geometry).unwrap();
        let mut consumer = Consumer::attach_split(control, map()).unwrap();
        for number in 0..7 {
            let mut slot = producer.reserve().unwrap();
            slot.write_at(0, &vec![number; page]).unwrap();
            slot.commit(page).unwrap();
            assert_eq!(consumer.receive().unwrap().to_vec().unwrap(), vec![number; page], "{exporter}");
        }
    }
}

#[test]
fn an_unknown_peer_can_be_watched_by_its_pidfd() {
    in_time(|| {
        let memory = memory(Seals::SHRINK);
        let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
        let other = Other::start("ring send 5 stay", &memory);
        let process = shm_core::liveness::Process::of(other.pid()).unwrap().unwrap();
        consumer.watch_pidfd(process.open().unwrap().unwrap());
        receive(&mut consumer, 0..5).unwrap();
        let pid = other.pid();
        let killer = std::thread::spawn(move || other.kill());
        let died = receive(&mut consumer, 5..);
        assert!(matches!(died, Err(RingError::Died { side: Side::Producer, pid: of }) if of == pid));
        killer.join().unwrap();
    });
}
