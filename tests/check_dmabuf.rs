//! selkie does with dma-bufs what `selkie check` demands, whatever its policy for shared memory is.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs the group, and gives what did not pass.
fn check(policy: &str) -> Vec<String> {
    let launch = format!("selkie --dmabuf on --policy {policy}");
    let times = std::env::var("SELKIE_PATIENCE").unwrap_or_else(|_| "1".to_owned());
    let output = Command::new(env!("CARGO_BIN_EXE_selkie"))
        .args(["check", "--format", "json", "--group", "dmabuf", "--launch", &launch, "--patience", &times])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let json: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let results = json["compositors"][0]["results"].as_array().unwrap();
    assert!(results.len() > 30, "{json}");
    let bad = results.iter().filter(|result| result["verdict"] != "pass");
    bad.map(ToString::to_string).collect()
}

/// Only hardware may be missing: explicit synchronisation needs a GPU, and the guest has the rest.
fn passes(policy: &str) {
    let real = Path::new("/dev/udmabuf").exists();
    assert!(real || std::env::var_os("SELKIE_REQUIRE_DMABUF").is_none(), "there is no /dev/udmabuf");
    let mut bad = check(policy);
    if !real {
        eprintln!("without /dev/udmabuf, cases that need it are left out");
        bad.retain(|result| !result.contains("udmabuf"));
    }
    bad.retain(|result| !result.contains("explicit_synchronization") && !result.contains("syncobj"));
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn under_enforce() {
    passes("enforce");
}

#[test]
fn under_adopt() {
    passes("adopt");
}

#[test]
fn under_copy() {
    passes("copy");
}

#[test]
fn under_guard() {
    passes("guard");
}
