//! selkie does with dma-bufs what `selkie check` demands, whatever its policy for shared memory is.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use shm_core::timeline::Device;
use shm_core::udmabuf::Udmabuf;

/// Whether a case may be skipped, and for that: where this machine makes no dma-bufs, what needs one; where no driver has
/// timelines, explicit synchronisation; and where there is no vgem, what it holds up.
fn may_be_skipped(case: &str, missing: &str, real: bool) -> bool {
    if case.starts_with("dmabuf.explicit-") && missing == "wp_linux_drm_syncobj_manager_v1 is not offered" {
        return !Device::open().is_ok_and(|device| device.can_notice());
    }
    let vgem = std::env::var_os("SELKIE_REQUIRE_DMABUF").is_some() || !case.starts_with("dmabuf.fence-");
    !real && missing.starts_with("cannot make a dma-buf (of /dev/udmabuf) here: ")
        || !vgem && missing.starts_with("cannot hold a fence here: no vgem ")
}

fn passes(policy: &str) {
    let real = Udmabuf::open().is_ok();
    assert!(real || std::env::var_os("SELKIE_REQUIRE_DMABUF").is_none(), "there is no /dev/udmabuf");
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
    assert!(results.len() > 50, "{json}");
    let text = |result: &serde_json::Value, what: &str| result[what].as_str().unwrap_or_default().to_owned();
    let wrong = results.iter().filter(|result| match text(result, "verdict").as_str() {
        "pass" => false,
        "skip" => !may_be_skipped(&text(result, "id"), &text(result, "missing"), real),
        _ => true,
    });
    let wrong: Vec<String> = wrong.map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !real {
        eprintln!("without /dev/udmabuf, cases that need it are left out");
    }
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
