//! `selkie check` as its users run it: against selkie, against compositors that others wrote, and with all that its command
//! line offers.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use shm_core::timeline::Device;
use support::{Host, require_programs};

fn check(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selkie"));
    // Other tests run beside this one.
    command.arg("check").args(args).args(["--patience", "2"]).stdin(Stdio::null());
    command.env_remove("XDG_RUNTIME_DIR").env_remove("WAYLAND_DISPLAY").output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}\n{err}")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// The results of the first compositor: (case, verdict, all of it).
fn results(output: &Output) -> Vec<(String, String, String)> {
    let json = json(output);
    let results = json["compositors"][0]["results"].as_array().unwrap().clone();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    results.iter().map(|result| (word(&result["id"]), word(&result["verdict"]), result.to_string())).collect()
}

/// How many cases there are.
fn count() -> usize {
    json(&check(&["--list", "--format", "json"])).as_array().unwrap().len()
}

/// Whether a case may be skipped, and for that: a dma-buf, where this machine makes none; explicit synchronisation, where no
/// driver has timelines; a fence, where it has no driver that lets a program hold one.
fn may_be_skipped(case: &str, missing: &str) -> bool {
    let Some(case) = case.strip_prefix("dmabuf.") else { return false };
    if case.starts_with("explicit-") && missing == "wp_linux_drm_syncobj_manager_v1 is not offered" {
        return !Device::open().is_ok_and(|device| device.can_notice());
    }
    missing == "zwp_linux_dmabuf_v1 is not offered"
        || missing.starts_with("cannot make a dma-buf (of /dev/udmabuf) here: ")
        || case.starts_with("fence-") && missing.starts_with("cannot hold a fence here: no vgem ")
}

fn selkie_passes(policy: &str) {
    let output = check(&["--format", "json", "--launch", &format!("selkie --policy {policy}")]);
    assert_eq!(results(&output).len(), count());
    let results = json(&output)["compositors"][0]["results"].as_array().unwrap().clone();
    let text = |result: &Value, what: &str| result[what].as_str().unwrap_or_default().to_owned();
    let wrong = results.iter().filter(|result| match text(result, "verdict").as_str() {
        "pass" => false,
        "skip" => !may_be_skipped(&text(result, "id"), &text(result, "missing")),
        _ => true,
    });
    let wrong: Vec<String> = wrong.map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(output.status.success());
}

#[test]
fn selkie_passes_everything_under_enforce() {
    selkie_passes("enforce");
}

#[test]
fn selkie_passes_everything_under_adopt() {
    selkie_passes("adopt");
}

#[test]
fn selkie_passes_everything_under_copy() {
    selkie_passes("copy");
}

#[test]
fn selkie_passes_everything_under_guard() {
    selkie_passes("guard");
}

/// Runs everything in a compositor of others, which it survives if somebody starts it again.
fn runs_to_the_end(compositor: &str) -> Vec<(String, String, String)> {
    let output = check(&["--format", "json", "--launch", compositor]);
    let results = results(&output);
    assert_eq!(results.len(), count(), "{}", text(&output));
    let bad = results.iter().any(|(_, verdict, _)| !matches!(verdict.as_str(), "pass" | "skip"));
    assert_eq!(output.status.code(), Some(i32::from(bad)));
    results
}

#[test]
fn weston_is_examined_to_the_end_and_its_library_found_out() {
    require_programs!("weston");
    let results = runs_to_the_end("weston");
    let version = Command::new("weston").arg("--version").output().unwrap();
    let resize = results.iter().find(|(case, ..)| case == "memory.resize-past-sealed-file").unwrap();
    // weston 10 is what Debian 12 has, with libwayland 1.21; later ones may have been repaired.
    if String::from_utf8_lossy(&version.stdout).starts_with("weston 10.") {
        assert_eq!(resize.1, "crash", "{}", resize.2);
        assert!(resize.2.contains("ended by SIGBUS"), "{}", resize.2);
    }
}

#[test]
fn sway_is_examined_to_the_end() {
    require_programs!("sway");
    runs_to_the_end("sway");
}

#[test]
fn several_compositors_stand_side_by_side() {
    require_programs!("weston");
    let case = "memory.resize-past-sealed-file";
    let output = check(&["--launch", "selkie", "--launch", "weston", "--only", case]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = out.lines().find(|line| line.contains(case)).unwrap();
    assert_eq!(row.split(['│', '┆']).map(str::trim).nth(2), Some("pass"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("selkie (selkie ") && line.contains("1 pass")), "{out}");
}

#[test]
fn one_that_runs_already_is_spared_what_could_end_it() {
    let host = Host::selkie(&[]);
    let socket = host.socket();
    let display = ["--display", socket.to_str().unwrap(), "--format", "json"];
    let both = ["--only", "memory.sealed-memfd", "--only", "memory.resize-past-sealed-file"];
    let verdicts = |more: &[&str]| -> Vec<String> {
        let output = check(&[&display[..], &both, more].concat());
        assert!(output.status.success(), "{}", text(&output));
        results(&output).into_iter().map(|(_, verdict, _)| verdict).collect()
    };
    assert_eq!(verdicts(&[]), ["pass", "skip"]);
    assert_eq!(verdicts(&["--dangerous"]), ["pass", "pass"]);
}

#[test]
fn the_other_forms_are_what_they_say() {
    let only = ["--launch", "selkie", "--only", "memory.sealed-memfd", "--format"];
    let form = |form: &str| {
        let output = check(&[&only[..], &[form]].concat());
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(form("tap"), "TAP version 14\n1..1\nok 1 - selkie: memory.sealed-memfd\n");
    let junit = form("junit");
    assert!(junit.starts_with("<?xml version=\"1.0\""), "{junit}");
    assert!(
        junit.contains("<testsuite name=\"selkie\" tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"0\">"),
        "{junit}"
    );
    assert!(form("markdown").contains("\n| sealed-memfd | shown |\n"));
}

#[test]
fn what_has_changed_is_told_and_only_the_worse_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("old.json");
    let launch = ["--launch", "selkie", "--only", "memory.sealed-memfd"];
    let compare = |old: &str| {
        std::fs::write(&file, old).unwrap();
        let output = check(&[&launch[..], &["--compare", file.to_str().unwrap()]].concat());
        (output.status.code(), text(&output))
    };
    let now = check(&[&launch[..], &["--format", "json"]].concat());
    let now = String::from_utf8(now.stdout).unwrap();
    let (code, said) = compare(&now);
    assert!(code == Some(0) && said.starts_with("nothing has changed\n"), "{said}");
    let (code, said) = compare(&now.replace(r#""verdict": "pass""#, r#""verdict": "crash", "how": "x""#));
    assert!(
        code == Some(0) && said.starts_with("selkie memory.sealed-memfd: crash -> pass (shown)\n"),
        "{said}"
    );
    let (code, said) = compare(&now.replace("\"selkie\"", "\"other\""));
    assert!(code == Some(1) && said.contains("the older results are of other"), "{said}");
    let (code, said) = compare("{}");
    assert!(code == Some(1) && said.contains("is not what `selkie check --format json` writes"), "{said}");
}

#[test]
fn what_is_asked_for_wrongly_is_answered_with_a_sentence() {
    let says = |args: &[&str], status: i32, sentence: &str| {
        let output = check(args);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output));
        assert!(text(&output).contains(sentence), "{}", text(&output));
    };
    says(&[], 2, "say which compositor: --launch COMMAND");
    says(&["--launch", "selkie", "--only", "memory.nothing"], 2, "there is no case \"memory.nothing\"");
    says(&["--launch", "selkie", "--group", "nothing"], 2, "the groups are memory, arithmetic");
    says(&["--launch", "false"], 1, "false is not ready: ended with status 1");
    says(&["--display", "nowhere-0"], 2, "XDG_RUNTIME_DIR is not set");
    says(&["--display", "/nowhere/wayland-0"], 1, "/nowhere/wayland-0 is not ready");
    assert!(!Path::new("/nowhere").exists());
}
