//! Who waits for one process, and knows which, learns of its end also if that comes before it has attached.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use shm_core::liveness::Process;
use shm_core::ring::{Consumer, OpenError, Producer, RingError, Side, State};
use shm_core::seals::Seals;
use shm_core::shared::Shared;

use super::{GEOMETRY, Other, again, in_time, memory, receive, send};

/// A process that never attaches.
fn stranger() -> Other {
    Other(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
}

fn pidfd(other: &Other) -> OwnedFd {
    Process::of(other.pid()).unwrap().unwrap().open().unwrap().unwrap()
}

fn never_came<R>(result: Result<R, RingError>, who: Side) {
    let error = result.map(drop).unwrap_err();
    assert!(matches!(error, RingError::NeverCame { side } if side == who), "{error:?}");
}

#[test]
fn who_dies_before_it_attaches_is_not_waited_for() {
    for asleep in [false, true] {
        in_time(move || {
            let memory = memory(Seals::SHRINK);
            let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
            let expected = stranger();
            consumer.watch_pidfd(pidfd(&expected));
            assert!(consumer.receive_timeout(Duration::from_millis(1)).unwrap().is_none());
            if asleep {
                let killer = std::thread::spawn(move || expected.kill());
                never_came(consumer.receive(), Side::Producer);
                killer.join().unwrap();
            } else {
                expected.kill();
                never_came(consumer.receive(), Side::Producer);
            }
            // And so it stays.
            never_came(consumer.try_receive(), Side::Producer);
            never_came(consumer.receive(), Side::Producer);
        });
    }
}

#[test]
fn a_consumer_that_dies_before_it_attaches_is_missed_once_there_is_no_room() {
    in_time(|| {
        let memory = memory(Seals::SHRINK);
        let mut producer = Producer::create(memory, GEOMETRY).unwrap();
        let expected = stranger();
        let fd = pidfd(&expected);
        // Nothing is lost if it was too early.
        expected.kill();
        producer.watch_pidfd(fd);
        send(&mut producer, 0..u64::from(GEOMETRY.slots)).unwrap();
        never_came(producer.reserve(), Side::Consumer);
        never_came(producer.try_reserve(), Side::Consumer);
    });
}

#[test]
fn another_can_attach_after_the_one_that_never_came() {
    in_time(|| {
        let memory = memory(Seals::SHRINK);
        let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
        let expected = stranger();
        consumer.watch_pidfd(pidfd(&expected));
        expected.kill();
        never_came(consumer.receive(), Side::Producer);
        // The side is not taken: nobody had it. The next one that is expected attaches only when it is waited for.
        let (other, come) = Other::start_absent("ring send 5 stay");
        consumer.watch_pidfd(pidfd(&other));
        assert!(consumer.receive_timeout(Duration::from_millis(1)).unwrap().is_none());
        come.send(&memory);
        receive(&mut consumer, 0..5).unwrap();
        let pid = other.pid();
        let killer = std::thread::spawn(move || other.kill());
        let died = receive(&mut consumer, 5..);
        assert!(
            matches!(died, Err(RingError::Died { side: Side::Producer, pid: of }) if of == pid),
            "{died:?}"
        );
        killer.join().unwrap();
        assert!(matches!(
            Producer::attach(memory).map(drop),
            Err(OpenError::Taken { side: Side::Producer, pid: of, state: State::Dead }) if of == pid
        ));
    });
}

#[test]
fn who_dies_while_it_attaches_has_died() {
    in_time(|| {
        let memory = memory(Seals::SHRINK);
        let mut consumer = Consumer::create(again(&memory), GEOMETRY).unwrap();
        let expected = stranger();
        let pid = expected.pid();
        consumer.watch_pidfd(pidfd(&expected));
        assert!(consumer.receive_timeout(Duration::from_millis(1)).unwrap().is_none());
        // The producer's word: its pid, the first claim, and that it is about to attach.
        let claiming = u64::from(pid) << 32 | 1 << 8 | 1;
        Shared::write_at(&memory, 128, &claiming.to_ne_bytes()).unwrap();
        assert!(consumer.receive_timeout(Duration::from_millis(1)).unwrap().is_none());
        let killer = std::thread::spawn(move || expected.kill());
        let died = consumer.receive().map(drop);
        assert!(
            matches!(died, Err(RingError::Died { side: Side::Producer, pid: of }) if of == pid),
            "{died:?}"
        );
        killer.join().unwrap();
        drop(Producer::take_over(memory).unwrap());
    });
}
