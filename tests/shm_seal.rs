//! `selkie shm seal`: what the kernel says to everything that a seal may forbid, and that it is what the manual says.

#![deny(unsafe_code)]
// A test that cannot have what it needs has failed.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Process, RuntimeDir};

/// Its status and what it said, to standard output and to standard error.
fn seal(args: &[&str]) -> (Option<i32>, String, String) {
    let dir = RuntimeDir::new();
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["shm", "seal"]).args(args);
    let mut process = Process::spawn_piped("seal", command, dir.path());
    let (status, out) = process.wait_for_output();
    (status.code(), out, process.log())
}

/// What the kernel said to each operation.
fn got(seals: &str) -> Vec<(String, String)> {
    let (code, out, err) = seal(&["--seals", seals, "--format", "json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["asked"], seals);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let attempts = report["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| (text(&attempt["operation"]), text(&attempt["got"]))).collect()
}

/// Those that are not allowed, and how they are refused.
fn refused(seals: &str) -> Vec<(String, String)> {
    got(seals).into_iter().filter(|(_, got)| got != "ok").collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(operation, got)| ((*operation).to_owned(), (*got).to_owned())).collect()
}

#[test]
fn every_set_of_seals_does_what_the_manual_says() {
    let (code, out, err) = seal(&["--all", "--format", "json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let reports: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(reports.len(), 64);
    for report in reports {
        let attempts = report["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 12);
        for attempt in attempts {
            assert_eq!(attempt["agrees"], true, "{report}");
        }
    }
}

#[test]
fn the_table_says_what_was_tried_and_why_it_is_forbidden() {
    let (code, out, err) = seal(&["--seals", "shrink,grow,seal"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (first, table) = out.split_once('\n').unwrap();
    assert!(first.starts_with("Linux ") && first.ends_with(", a memfd with the seals: seal+shrink+grow"));
    let expected = "\
┌─────────────────────────────────────────────────┬─────────────────────────────────┬──────────────┬──────────┬───────┐
│ operation                                       ┆ system call                     ┆ forbidden by ┆ expected ┆ got   │
╞═════════════════════════════════════════════════╪═════════════════════════════════╪══════════════╪══════════╪═══════╡
│ add these seals                                 ┆ fcntl(F_ADD_SEALS)              ┆ –            ┆ ok       ┆ ok    │
│ shrink                                          ┆ ftruncate                       ┆ shrink       ┆ EPERM    ┆ EPERM │
│ grow                                            ┆ ftruncate                       ┆ grow         ┆ EPERM    ┆ EPERM │
│ write                                           ┆ pwrite                          ┆ –            ┆ ok       ┆ ok    │
│ write past the end                              ┆ pwrite                          ┆ grow         ┆ EPERM    ┆ EPERM │
│ new writable mapping                            ┆ mmap(PROT_WRITE, MAP_SHARED)    ┆ –            ┆ ok       ┆ ok    │
│ new read-only mapping                           ┆ mmap(PROT_READ, MAP_SHARED)     ┆ –            ┆ ok       ┆ ok    │
│ add these seals while a writable mapping exists ┆ fcntl(F_ADD_SEALS)              ┆ –            ┆ ok       ┆ ok    │
│ write through that old mapping                  ┆ a store                         ┆ –            ┆ ok       ┆ ok    │
│ punch a hole                                    ┆ fallocate(PUNCH_HOLE)           ┆ –            ┆ ok       ┆ ok    │
│ add another seal                                ┆ fcntl(F_ADD_SEALS, F_SEAL_SEAL) ┆ seal         ┆ EPERM    ┆ EPERM │
│ chmod +x                                        ┆ fchmod(0700)                    ┆ –            ┆ ok       ┆ ok    │
└─────────────────────────────────────────────────┴─────────────────────────────────┴──────────────┴──────────┴───────┘
All 12 attempts came out as fcntl(2) and memfd_create(2) say.
";
    assert_eq!(table, expected);
    let (code, out, _) = seal(&["--all"]);
    assert_eq!(code, Some(0));
    assert!(out.ends_with("All 768 attempts came out as fcntl(2) and memfd_create(2) say.\n"), "{out}");
}

#[test]
fn what_is_forbidden_is_refused_and_nothing_else() {
    assert_eq!(refused("none"), []);
    assert_eq!(refused("shrink"), pairs(&[("shrink", "EPERM")]));
    assert_eq!(refused("exec"), pairs(&[("chmod +x", "EPERM")]));
    // An old mapping keeps write from being added, and goes on under future-write.
    assert_eq!(
        refused("write"),
        pairs(&[
            ("write", "EPERM"),
            ("write past the end", "EPERM"),
            ("new writable mapping", "EPERM"),
            ("add these seals while a writable mapping exists", "EBUSY"),
            ("punch a hole", "EPERM"),
        ])
    );
    assert_eq!(
        refused("future-write"),
        pairs(&[
            ("write", "EPERM"),
            ("write past the end", "EPERM"),
            ("new writable mapping", "EPERM"),
            ("punch a hole", "EPERM"),
        ])
    );
}

#[test]
fn seals_are_written_as_everywhere() {
    let (code, out, _) = seal(&["--seals", "SHRINK+future_write"]);
    assert_eq!(code, Some(0));
    assert!(out.lines().next().unwrap().ends_with("shrink+future-write"), "{out}");
    let (code, out, err) = seal(&["--seals", "frozen"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        err.lines().next(),
        Some(
            "error: invalid value 'frozen' for '--seals <SEALS>': `frozen` is no seal; the seals are seal, shrink, \
             grow, write, future-write and exec, or none"
        )
    );
    // A seal that no kernel has: that it is refused is what is expected, and nothing else can be tried.
    let (code, out, _) = seal(&["--seals", "0x100000"]);
    assert_eq!(code, Some(0));
    assert!(out.ends_with("All 1 attempts came out as fcntl(2) and memfd_create(2) say.\n"), "{out}");
}
