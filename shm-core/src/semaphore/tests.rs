use super::*;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A name that no other test has, in this run or beside it.
fn name(word: &str) -> String {
    format!("/selkie-test-{word}-{}", std::process::id())
}

fn file(name: &str) -> PathBuf {
    format!("/dev/shm/sem.{}", &name[1..]).into()
}

fn errno<T: std::fmt::Debug>(result: Result<T, SemaphoreError>) -> Option<i32> {
    match result.unwrap_err() {
        SemaphoreError::Name { .. } => None,
        SemaphoreError::Create { source, .. }
        | SemaphoreError::Open { source, .. }
        | SemaphoreError::Use { source, .. }
        | SemaphoreError::Unlink { source, .. } => source.raw_os_error(),
    }
}

#[test]
fn counts() {
    let (semaphore, link) = Semaphore::create(&name("counts"), 0o600, 2).unwrap();
    assert_eq!(semaphore.value().unwrap(), 2);
    semaphore.wait().unwrap();
    assert!(semaphore.try_wait().unwrap());
    assert!(!semaphore.try_wait().unwrap());
    assert!(!semaphore.wait_timeout(Duration::from_millis(1)).unwrap());
    semaphore.post().unwrap();
    assert_eq!(semaphore.value().unwrap(), 1);
    assert!(semaphore.wait_timeout(Duration::MAX).unwrap());
    drop(link);
}

#[test]
fn a_name_is_removed_with_its_link_and_the_semaphore_goes_on() {
    let name = name("link");
    let (semaphore, link) = Semaphore::create(&name, 0o600, 0).unwrap();
    assert!(file(&name).exists());
    let other = Semaphore::open(&name).unwrap();
    link.remove().unwrap();
    assert!(!file(&name).exists());
    assert_eq!(errno(Semaphore::open(&name)), Some(libc::ENOENT));
    other.post().unwrap();
    semaphore.wait().unwrap();
    assert_eq!(errno(unlink(&name)), Some(libc::ENOENT));
    let (_, link) = Semaphore::create(&name, 0o600, 0).unwrap();
    drop(link);
    assert!(!file(&name).exists());
    let (_, link) = Semaphore::create(&name, 0o600, 0).unwrap();
    link.keep();
    assert!(file(&name).exists());
    unlink(&name).unwrap();
}

#[test]
fn limits_are_errors() {
    let name = name("limits");
    const MAX: u32 = i32::MAX.unsigned_abs();
    assert_eq!(errno(Semaphore::create(&name, 0o600, MAX + 1)), Some(libc::EINVAL));
    let (full, _link) = Semaphore::create(&name, 0o600, MAX).unwrap();
    assert_eq!(errno(full.post()), Some(libc::EOVERFLOW));
    assert_eq!(full.value().unwrap(), MAX);
    assert_eq!(errno(Semaphore::create(&name, 0o600, 0)), Some(libc::EEXIST));
    let error = Semaphore::create(&name, 0o600, 0).unwrap_err().to_string();
    assert_eq!(error, format!("cannot create the semaphore {name:?} with the count 0"));
}

#[test]
fn names_follow_the_rules() {
    for (wrong, why) in [
        ("", "begin with a slash"),
        ("name", "begin with a slash"),
        ("/", "nothing after the slash"),
        ("//name", "no slash but the first"),
        ("/a/b", "no slash but the first"),
        ("/a\0b", "no NUL"),
    ] {
        let error = Semaphore::create(wrong, 0o600, 0).unwrap_err().to_string();
        assert!(error.contains(why), "{wrong:?}: {error}");
        assert!(Semaphore::open(wrong).is_err() && unlink(wrong).is_err());
    }
    let prefix = name("long-");
    let longest = format!("{prefix}{}", "x".repeat(1 + LONGEST - prefix.len()));
    let (_, link) = Semaphore::create(&longest, 0o600, 0).unwrap();
    drop(link);
    assert!(matches!(Semaphore::create(&format!("{longest}x"), 0o600, 0), Err(SemaphoreError::Name { .. })));
}

/// What the other process does: says that it is there, waits once, says so, and waits again; runs only where a test starts it.
#[test]
fn other_process() {
    let Ok(name) = std::env::var("SELKIE_TEST_SEMAPHORE") else { return };
    let semaphore = Semaphore::open(&name).unwrap();
    for word in ["here", "woken"] {
        println!("\n{word}");
        std::io::stdout().flush().unwrap();
        semaphore.wait().unwrap();
    }
    println!("\nwoken twice");
}

fn start_other(name: &str) -> (Child, impl FnMut(&str)) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "semaphore::tests::other_process", "--nocapture"])
        .env("SELKIE_TEST_SEMAPHORE", name)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let says = move |word: &str| assert!(lines.any(|line| line.unwrap() == word), "it did not say {word}");
    (child, says)
}

#[test]
fn another_process_is_woken_and_killing_it_leaves_the_name_and_the_count() {
    let name = name("two");
    let (semaphore, link) = Semaphore::create(&name, 0o600, 0).unwrap();
    let (mut child, mut says) = start_other(&name);
    says("here");
    semaphore.post().unwrap();
    says("woken");
    child.kill().unwrap();
    child.wait().unwrap();
    // It was killed waiting, so it took nothing, and nothing was given back of what it had.
    assert_eq!(semaphore.value().unwrap(), 0);
    semaphore.post().unwrap();
    semaphore.post().unwrap();
    drop(semaphore);
    assert!(file(&name).exists());
    let (mut second, mut says) = start_other(&name);
    says("woken twice");
    assert!(second.wait().unwrap().success());
    drop(link);
    assert!(!file(&name).exists());
}
