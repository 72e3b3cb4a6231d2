//! `selkie shm produce` and `consume`: lines arrive whole and in order, and nobody waits for a dead process.

#![deny(unsafe_code)]
// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::chance::Chance;
use support::{RuntimeDir, eventually};

/// A name of shared memory that no other test has, and what is left under it when the test is over.
struct Name(String);

impl Name {
    fn new() -> Name {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Name(format!("selkie-lines-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    fn files(&self) -> [PathBuf; 3] {
        let file = |prefix: &str, suffix: &str| format!("/dev/shm/{prefix}{}{suffix}", self.0).into();
        [file("", ""), file("sem.", ".free"), file("sem.", ".filled")]
    }

    /// Those that are there.
    fn left(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.exists()).collect()
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        for path in self.left() {
            let _ = fs::remove_file(path);
        }
    }
}

/// One of the two, running; killed when dropped.
struct Side {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Side {
    fn start(dir: &RuntimeDir, name: &Name, args: &[&str], stdin: Stdio) -> Side {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (dir.file(&format!("out-{number}")), dir.file(&format!("err-{number}")));
        let mut command: Command = dir.command(env!("CARGO_BIN_EXE_selkie"));
        command.arg("shm").args(args).arg("--name").arg(format!("/{}", name.0));
        command.stdin(stdin).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Side { child: command.spawn().unwrap(), out, err }
    }

    fn produce(dir: &RuntimeDir, name: &Name, file: &Path) -> Side {
        Side::start(dir, name, &["produce", file.to_str().unwrap()], Stdio::null())
    }

    fn consume(dir: &RuntimeDir, name: &Name) -> Side {
        Side::start(dir, name, &["consume"], Stdio::null())
    }

    /// What it said.
    fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    fn says(&self, what: &str) {
        eventually(what, || if self.said().contains(what) { Ok(()) } else { Err(self.said()) });
    }

    /// Its status, once it has ended.
    fn code(&mut self) -> Option<i32> {
        let status =
            eventually("a side to end", || self.child.try_wait().unwrap().ok_or_else(|| self.said()));
        status.code()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It failed, and this was its last word.
    fn fails(&mut self, sentence: &str) {
        let code = self.code();
        assert_eq!(
            (code, self.said().lines().last()),
            (Some(1), Some(format!("selkie: {sentence}").as_str()))
        );
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file(dir: &RuntimeDir, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.file(name);
    fs::write(&path, content).unwrap();
    path
}

/// The file arrives as it is, and both say how much that was.
fn arrives(content: &[u8], lines: usize) {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let path = file(&dir, "lines", content);
    let mut producer = Side::produce(&dir, &name, &path);
    let mut consumer = Side::consume(&dir, &name);
    assert_eq!(
        (producer.code(), consumer.code()),
        (Some(0), Some(0)),
        "{}{}",
        producer.said(),
        consumer.said()
    );
    assert!(fs::read(&consumer.out).unwrap() == content, "what arrived is something else");
    let plural = if lines == 1 { "" } else { "s" };
    let amount = format!("{lines} line{plural} ({} bytes)", content.len());
    assert!(producer.said().contains(&format!("gave {amount}")), "{}", producer.said());
    assert!(consumer.said().contains(&format!("took {amount}")), "{}", consumer.said());
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_hundred_thousand_lines_arrive_in_order_and_whole() {
    let mut chance = Chance::new(1);
    let mut content = Vec::new();
    for number in 0..100_000_u32 {
        write!(content, "{number} ").unwrap();
        // One in a thousand takes several slots.
        let longest = if number % 1000 == 0 { 5000 } else { 60 };
        for _ in 0..chance.below(longest) {
            let byte = chance.below(256) as u8;
            content.push(if byte == b'\n' { 0 } else { byte });
        }
        content.push(b'\n');
    }
    arrives(&content, 100_000);
}

#[test]
fn every_shape_of_file_arrives() {
    arrives(b"", 0);
    arrives(b"\n", 1);
    arrives(b"\n\n", 2);
    arrives(b"no newline", 1);
    arrives(b"one\ntwo", 2);
    arrives(b"\0\xff\n\r\n\xfe", 3);
    // A slot has 1008 bytes of a line, and 64 KiB are read at once.
    for length in [1007, 1008, 1009, 2016, 65535, 65536, 65537] {
        let mut line = vec![b'x'; length];
        arrives(&line, 1);
        line.push(b'\n');
        arrives(&line, 1);
        line.push(b'y');
        arrives(&line, 2);
    }
}

#[test]
fn either_may_come_first_and_says_who_is_missing() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let path = file(&dir, "lines", b"a\nb\n");
    let mut consumer = Side::consume(&dir, &name);
    consumer.says(&format!("waiting for a producer: run `selkie shm produce --name /{} FILE`", name.0));
    let mut producer = Side::produce(&dir, &name, &path);
    assert_eq!((producer.code(), consumer.code()), (Some(0), Some(0)));
    let mut producer = Side::produce(&dir, &name, &path);
    producer.says(&format!("waiting for a consumer: run `selkie shm consume --name /{}`", name.0));
    assert_eq!(name.left().len(), 3);
    let mut consumer = Side::consume(&dir, &name);
    assert_eq!((producer.code(), consumer.code()), (Some(0), Some(0)));
    assert_eq!(fs::read(&consumer.out).unwrap(), b"a\nb\n");
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

#[test]
fn one_slot_is_enough() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let content: String = (0..1000).map(|number| format!("{number}\n")).collect();
    let path = file(&dir, "lines", content.as_bytes());
    let mut consumer = Side::consume(&dir, &name);
    let mut producer =
        Side::start(&dir, &name, &["produce", "--slots", "1", path.to_str().unwrap()], Stdio::null());
    assert_eq!((producer.code(), consumer.code()), (Some(0), Some(0)));
    assert_eq!(fs::read_to_string(&consumer.out).unwrap(), content);
}

#[test]
fn lines_of_standard_input_arrive_as_they_come() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let mut producer = Side::start(&dir, &name, &["produce", "-"], Stdio::piped());
    let mut input = producer.child.stdin.take().unwrap();
    let mut consumer = Side::consume(&dir, &name);
    for (line, so_far) in [("one\n", "one\n"), ("two\nthr", "one\ntwo\nthr"), ("ee\n", "one\ntwo\nthree\n")] {
        input.write_all(line.as_bytes()).unwrap();
        eventually("a line to arrive", || match fs::read_to_string(&consumer.out).unwrap() {
            arrived if arrived == so_far => Ok(()),
            arrived => Err(arrived),
        });
    }
    drop(input);
    assert_eq!((producer.code(), consumer.code()), (Some(0), Some(0)));
}

#[test]
fn whoever_sleeps_when_the_other_is_killed_wakes_and_says_so() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    // The producer waits for its input, the consumer for a slot.
    for killed_is_producer in [true, false] {
        let mut producer = Side::start(&dir, &name, &["produce", "-"], Stdio::piped());
        let mut input = producer.child.stdin.take().unwrap();
        let mut consumer = Side::consume(&dir, &name);
        input.write_all(b"one\ntwo\n").unwrap();
        let arrived = || fs::read(&consumer.out).unwrap() == b"one\ntwo\n";
        eventually("two lines", || if arrived() { Ok(()) } else { Err("not yet".to_owned()) });
        assert_eq!(name.left(), Vec::<PathBuf>::new());
        let (producer_pid, consumer_pid) = (producer.child.id(), consumer.child.id());
        if killed_is_producer {
            producer.kill();
            consumer.fails(&format!("the producer (pid {producer_pid}) has died after 2 lines"));
        } else {
            consumer.kill();
            producer.fails(&format!("the consumer (pid {consumer_pid}) has died after 2 lines"));
        }
    }
    // The producer waits for a slot that a stopped consumer does not give back.
    let path = file(&dir, "lines", &b"line\n".repeat(1000));
    let mut consumer = Side::consume(&dir, &name);
    consumer.says("waiting for a producer");
    let mut producer = Side::start(&dir, &name, &["produce", "-"], Stdio::piped());
    let mut input = producer.child.stdin.take().unwrap();
    consumer.says("the producer is process");
    consumer.signal(Signal::STOP);
    input.write_all(&fs::read(path).unwrap()).unwrap();
    consumer.kill();
    producer.fails(&format!("the consumer (pid {}) has died after 0 lines", consumer.child.id()));
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_producer_killed_alone_leaves_names_that_the_next_one_replaces() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let path = file(&dir, "lines", b"old\n");
    let mut dead = Side::produce(&dir, &name, &path);
    dead.says("waiting for a consumer");
    dead.kill();
    let pid = dead.child.id();
    assert_eq!(name.left(), name.files());
    let mut consumer = Side::consume(&dir, &name);
    consumer.says(&format!(
        "/{} is there, but its producer (pid {pid}) has died; the next one replaces it",
        name.0
    ));
    let path = file(&dir, "lines", b"new\n");
    let mut producer = Side::produce(&dir, &name, &path);
    assert_eq!((producer.code(), consumer.code()), (Some(0), Some(0)));
    let removed =
        format!("removed /{} and its semaphores, left by a producer (pid {pid}) that has died", name.0);
    assert!(producer.said().contains(&removed), "{}", producer.said());
    assert_eq!(fs::read(&consumer.out).unwrap(), b"new\n");
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

/// A producer that is stopped while it waits for a consumer, so that the names are still there when one has come.
fn stopped_producer(dir: &RuntimeDir, name: &Name) -> Side {
    let path = file(dir, "lines", b"line\n");
    let producer = Side::produce(dir, name, &path);
    producer.says("waiting for a consumer");
    producer.signal(Signal::STOP);
    producer
}

#[test]
fn names_of_a_producer_killed_before_it_removed_them_are_removed_by_its_consumer() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let mut producer = stopped_producer(&dir, &name);
    let mut consumer = Side::consume(&dir, &name);
    consumer.says("the producer is process");
    assert_eq!(name.left(), name.files());
    producer.kill();
    consumer.fails(&format!("the producer (pid {}) has died after 0 lines", producer.child.id()));
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_consumer_that_has_come_and_gone_is_noticed() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let mut producer = stopped_producer(&dir, &name);
    let mut consumer = Side::consume(&dir, &name);
    consumer.says("the producer is process");
    let pid = consumer.child.id();
    Side::consume(&dir, &name).fails(&format!(
        "/{} is in use by another consumer (pid {pid}): choose another name with --name",
        name.0
    ));
    consumer.kill();
    // The producer is about to learn that it has lost its consumer: this one waits for the next.
    let mut third = Side::consume(&dir, &name);
    third.says("waiting for a producer");
    producer.signal(Signal::CONT);
    producer.fails(&format!("the consumer (pid {pid}) has died after 0 lines"));
    let path = file(&dir, "lines", b"next\n");
    let mut next = Side::produce(&dir, &name, &path);
    assert_eq!((next.code(), third.code()), (Some(0), Some(0)));
    assert_eq!(fs::read(&third.out).unwrap(), b"next\n");
    assert_eq!(name.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_second_producer_is_refused_and_harms_nothing() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let path = file(&dir, "lines", b"first\n");
    let mut first = Side::produce(&dir, &name, &path);
    first.says("waiting for a consumer");
    let pid = first.child.id();
    Side::produce(&dir, &name, &path).fails(&format!(
        "/{} is in use by another producer (pid {pid}): choose another name with --name",
        name.0
    ));
    assert_eq!(name.left(), name.files());
    let mut consumer = Side::consume(&dir, &name);
    assert_eq!((first.code(), consumer.code()), (Some(0), Some(0)));
    assert_eq!(fs::read(&consumer.out).unwrap(), b"first\n");
}

/// A header as the producer writes it, with other numbers.
fn header(slots: u32, slot: u32, ready: u32, producer: u32, start: u64) -> Vec<u8> {
    let mut bytes = b"selkieL1".to_vec();
    for word in [slots, slot, ready, 0, producer, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(start.to_ne_bytes());
    bytes.resize(4096, 0);
    bytes
}

#[test]
fn memory_of_another_shape_is_an_error_and_stays_as_it_is() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let own = shm_core::liveness::Process::current().unwrap();
    let ours = |slots, slot| header(slots, slot, 1, own.pid, own.start_time);
    let lines = file(&dir, "lines", b"line\n");
    for (content, why) in [
        (b"x".to_vec(), "it does not begin as that does"),
        (vec![0; 1 << 20], "it does not begin as that does"),
        (ours(0, 1024), "it says that it has 0 slots (1 to 1048576 are possible)"),
        (ours(u32::MAX, 1024), "it says that it has 4294967295 slots (1 to 1048576 are possible)"),
        (ours(64, 1 << 30), "its slots have 1073741824 bytes and not 1024"),
        (ours(64, 1024), "it has 4096 bytes, and for 64 slots needs 69632"),
        (header(64, 1024, 1, 0, 0), "0 is no process's number"),
    ] {
        fs::write(&name.files()[0], &content).unwrap();
        let sentence = format!(
            "/dev/shm/{} is not what `selkie shm produce` makes: {why}; if nobody needs it, remove it, or choose \
             another name with --name",
            name.0
        );
        Side::consume(&dir, &name).fails(&sentence);
        if !content.starts_with(b"selkieL1") {
            Side::produce(&dir, &name, &lines).fails(&sentence);
        }
        assert!(fs::read(&name.files()[0]).unwrap() == content);
    }
    // All is as it should be, but for the semaphores: they may yet come.
    let mut content = ours(1, 1024);
    content.resize(4096 + 1024, 0);
    fs::write(&name.files()[0], &content).unwrap();
    Side::consume(&dir, &name).says("waiting for a producer");
}

#[test]
fn memory_that_is_shrunk_meanwhile_is_an_error() {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let mut producer = Side::start(&dir, &name, &["produce", "-"], Stdio::piped());
    let mut input = producer.child.stdin.take().unwrap();
    producer.says("waiting for a consumer");
    let memory = File::options().write(true).open(&name.files()[0]).unwrap();
    let mut consumer = Side::consume(&dir, &name);
    producer.says("the consumer is process");
    memory.set_len(4096).unwrap();
    input.write_all(b"line\n").unwrap();
    producer.fails(
        "the shared memory was made smaller while it was in use: the memory vanished while it was used (SIGBUS at \
         byte 4096)",
    );
    let pid = producer.child.id();
    consumer.fails(&format!("the producer (pid {pid}) has died after 0 lines"));
}

#[test]
fn wrong_usage_is_refused() {
    let dir = RuntimeDir::new();
    let run = |args: &[&str]| {
        let output = dir.command(env!("CARGO_BIN_EXE_selkie")).arg("shm").args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap().lines().next().unwrap().to_owned())
    };
    assert_eq!(
        run(&["consume", "--name", "lines"]),
        (
            Some(2),
            "error: invalid value 'lines' for '--name </NAME>': \"lines\" cannot be the name of shared memory: it has to \
             begin with a slash, as in /lines"
                .to_owned()
        )
    );
    assert_eq!(run(&["produce", "x", "--slots", "0"]).0, Some(2));
    assert_eq!(run(&["produce"]).0, Some(2));
    let missing = "selkie: cannot open \"/nowhere\": No such file or directory (os error 2)".to_owned();
    assert_eq!(run(&["produce", "/nowhere"]), (Some(1), missing));
}

/// Two sides, one of which is killed at a random moment, a hundred times.
///
/// If the two had met, the other ends by itself and says why, and nothing is left. Otherwise it may still be waiting for
/// somebody to come: then it gets somebody, and ends well.
fn killed_at_random(kill_producer: bool) {
    let (dir, name) = (RuntimeDir::new(), Name::new());
    let long = file(&dir, "long", &b"a line\n".repeat(2_000_000));
    // Long enough to be killed in, and short enough to be read to its end now and then.
    let medium = file(&dir, "medium", &b"a line\n".repeat(150_000));
    let short = file(&dir, "short", b"short\n");
    let mut chance = Chance::new(if kill_producer { 2 } else { 3 });
    let mut met_before = 0;
    for round in 0..100 {
        let mut producer = Side::produce(&dir, &name, if round % 2 == 0 { &long } else { &medium });
        let mut consumer = Side::consume(&dir, &name);
        let (producer_pid, consumer_pid) = (producer.child.id(), consumer.child.id());
        // Half of them once they have met; the others at any moment since they were started.
        if round % 2 == 0 {
            producer.says("the consumer is process");
            consumer.says("the producer is process");
        }
        chance.pass(Duration::from_millis(20));
        let met = producer.said().contains("the consumer is process");
        met_before += u32::from(met);
        let (sentence, survivor) = if kill_producer {
            producer.kill();
            (format!("the producer (pid {producer_pid}) has died after "), &mut consumer)
        } else {
            consumer.kill();
            (format!("the consumer (pid {consumer_pid}) has died after "), &mut producer)
        };
        let rescue = (!met).then(|| {
            if kill_producer { Side::produce(&dir, &name, &short) } else { Side::consume(&dir, &name) }
        });
        let code = survivor.code();
        let said = survivor.said();
        if code == Some(1) {
            assert!(said.lines().last().unwrap().contains(&sentence), "round {round}: {said}");
        } else {
            assert_eq!((code, met), (Some(0), false), "round {round}: {said}");
        }
        if let Some(mut rescue) = rescue {
            // It is on its own if the survivor had met the other after all.
            let mut company = (code == Some(1)).then(|| {
                if kill_producer { Side::consume(&dir, &name) } else { Side::produce(&dir, &name, &short) }
            });
            assert_eq!(rescue.code(), Some(0), "round {round}: {}", rescue.said());
            assert_eq!(company.as_mut().map_or(Some(0), Side::code), Some(0), "round {round}");
        }
        assert_eq!(name.left(), Vec::<PathBuf>::new(), "round {round}: {said}");
    }
    assert!(met_before >= 50, "{met_before}");
}

#[test]
fn a_producer_killed_at_any_moment_hangs_nobody_and_leaves_nothing() {
    killed_at_random(true);
}

#[test]
fn a_consumer_killed_at_any_moment_hangs_nobody_and_leaves_nothing() {
    killed_at_random(false);
}
