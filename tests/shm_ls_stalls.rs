//! `selkie shm ls` does not wait for a file system that does not answer. Alone in its file, because of what [`Fuse`] says.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use support::fuse::Fuse;
use support::{Process, RuntimeDir, impossible};

const AGAIN: &str = "SELKIE_TEST_AGAIN";

#[test]
fn a_file_system_in_dev_shm_that_is_silent_holds_nobody_up() {
    if std::env::var_os(AGAIN).is_none() {
        // Once more, with its temporary directories where POSIX objects are: there a file looks like one of those by
        // its path, and the directory in which it is mounted is on the way of whoever lists all names.
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_file_system_in_dev_shm_that_is_silent_holds_nobody_up", "--nocapture"]);
        let status = again.env(AGAIN, "1").env("TMPDIR", "/dev/shm").stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
        return;
    }
    let fuse = match Fuse::mount() {
        Ok(fuse) => fuse,
        Err(why) => return impossible(&why),
    };
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fuse.file().as_raw_fd())).unwrap();
    assert!(link.starts_with("/dev/shm"), "{}", link.display());
    fuse.fall_silent();
    let dir = RuntimeDir::new();
    let mut command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["shm", "ls", "--format", "json"]);
    let mut selkie = Process::spawn_piped("selkie", command, dir.path());
    let (status, text) = selkie.wait_for_output();
    // Gone first: a failure below must not leave anybody waiting.
    drop(fuse);
    assert!(status.success(), "{}", selkie.log());
    let inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names = inventory["pieces"].as_array().unwrap().iter().filter_map(|piece| piece["name"].as_str());
    let name = link.strip_prefix("/dev/shm").unwrap();
    assert!(names.into_iter().all(|listed| listed.trim_start_matches('/') != name.to_str().unwrap()));
}
