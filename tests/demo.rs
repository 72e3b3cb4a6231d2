//! The demo: every act comes to its point, and says which path the memory took.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use support::{Host, RuntimeDir, require_devices};

/// Plays it, in `host` if there is one; what it says.
fn play(host: Option<&Host>) -> String {
    let dir = RuntimeDir::new();
    let mut command: Command = dir.command(env!("CARGO_BIN_EXE_selkie"));
    command.args(["demo", "--out"]).arg(dir.file("out"));
    match host {
        Some(host) => command.env("WAYLAND_DISPLAY", host.socket()),
        None => command.arg("--headless"),
    };
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains('✗'), "{said}");
    for picture in ["demo.png", "demo.apng"] {
        assert!(std::fs::metadata(dir.file("out").join(picture)).unwrap().len() > 1000, "{picture}");
    }
    said
}

/// The act of that number and the line under it.
fn act(said: &str, number: u32) -> String {
    let from = said.lines().skip_while(|l| !l.contains(&format!(" {number}. ")));
    from.take(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn headless_every_act_is_composed() {
    let said = play(None);
    assert!(act(&said, 1).contains("frames composed, "), "{said}");
    assert!(act(&said, 4).contains("; composed, "), "{said}");
}

#[test]
fn nested_what_is_sealed_is_forwarded() {
    let host = Host::selkie(&["--size", "1280x720", "--refresh", "60"]);
    let said = play(Some(&host));
    for number in [1, 3, 4] {
        assert!(act(&said, number).contains("forwarded, not a byte copied"), "{said}");
    }
    assert!(act(&said, 5).contains("until then composed, "), "{said}");
    assert!(act(&said, 6).contains("never mapped, composed, "), "{said}");
}

#[test]
fn where_there_is_a_source_a_dmabuf_has_an_act() {
    require_devices!("/dev/udmabuf");
    let said = play(None);
    assert!(act(&said, 7).contains("dma-buf (udmabuf), which cannot shrink: "), "{said}");
}

#[test]
fn where_there_is_none_it_says_why() {
    if std::path::Path::new("/dev/udmabuf").exists() || std::path::Path::new("/dev/dri").exists() {
        eprintln!("skipped: this machine has a source of dma-bufs");
        return;
    }
    let said = play(None);
    assert!(act(&said, 7).contains("not on this machine\n     no /dev/udmabuf: "), "{said}");
}
