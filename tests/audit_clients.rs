//! `selkie audit` of the clients that people have: what each hands over, as it was measured by other means.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::audit::{Audit, audit};
use support::require_programs;

/// Every pool of that name has this kind, these seals, and `F_SEAL_SHRINK` is this.
#[track_caller]
fn assert_memory(audit: &Audit, name: &str, kind: &str, seals: &str, shrink: &str) {
    for pool in audit.called(name) {
        let found =
            [&pool["kind"], &pool["seals"], &pool["shrink_seal"]].map(|v| v.as_str().unwrap_or("null"));
        // Newer kernels and libraries add a seal that says nothing about size or content.
        let seals_found = found[1].trim_end_matches("+exec");
        assert_eq!([found[0], seals_found, found[2]], [kind, seals, shrink], "{name}: {pool:#}");
    }
}

/// None of these was ever resized.
#[track_caller]
fn assert_never_resized(audit: &Audit, name: &str) {
    for pool in audit.called(name) {
        assert_eq!((&pool["resizes"], &pool["claimed"]), (&0.into(), &pool["largest_claim"]), "{pool:#}");
    }
}

/// What the policies make of the program, from strict to lax.
#[track_caller]
fn assert_policies(audit: &Audit, treatments: [&str; 4]) {
    let found =
        ["enforce", "adopt", "copy", "guard"].map(|p| audit.report["policies"][p]["treatment"].clone());
    assert_eq!(found, treatments.map(Value::from));
    let status = i32::from(treatments[0] == "refused");
    assert_eq!(audit.status.code(), Some(status), "{}", audit.log);
}

/// libwayland-cursor makes a small pool and lets it grow, cursor by cursor.
#[track_caller]
fn assert_cursors_grow(audit: &Audit) {
    assert_memory(audit, "memfd:wayland-cursor", "memfd", "seal+shrink", "present");
    let pool = audit.called("memfd:wayland-cursor")[0];
    assert_eq!(pool["made_by"], "libwayland-cursor");
    assert!((7..=8).contains(&pool["resizes"].as_u64().unwrap()), "{pool:#}");
    assert!(pool["largest_claim"].as_u64().unwrap() > 1 << 20, "{pool:#}");
    assert_eq!(pool["file_size"], pool["largest_claim"]);
}

#[test]
fn gtk_3() {
    require_programs!("gtk3-demo");
    let audit = audit(&["--frames", "1"], &["gtk3-demo"]);
    assert_memory(&audit, "memfd:gdk-wayland", "memfd", "seal", "impossible");
    assert_never_resized(&audit, "memfd:gdk-wayland");
    assert_cursors_grow(&audit);
    assert_policies(&audit, ["refused", "refused", "copied", "guarded"]);
    let advice = audit.report["advice"][0]["advice"].as_str().unwrap();
    assert!(advice.starts_with("pass MFD_ALLOW_SEALING to memfd_create()"), "{advice}");
}

/// Drawn by cairo.
#[test]
fn gtk_4() {
    require_programs!("gtk4-widget-factory");
    let audit = audit(&["--frames", "1"], &["env", "GSK_RENDERER=cairo", "gtk4-widget-factory"]);
    let pools = audit.pools();
    let shown: Vec<&&Value> = pools.iter().filter(|pool| pool["commits"].as_u64() > Some(0)).collect();
    assert!(!shown.is_empty());
    for pool in shown {
        assert_eq!((&pool["kind"], &pool["seals"]), (&"memfd".into(), &"shrink".into()), "{pool:#}");
        assert_eq!((&pool["shrink_seal"], &pool["resizes"]), (&"present".into(), &0.into()), "{pool:#}");
    }
    assert_policies(&audit, ["mapped"; 4]);
}

/// Drawn by OpenGL on the CPU, which is Mesa's memory.
#[test]
fn gtk_4_by_opengl() {
    require_programs!("gtk4-widget-factory");
    let audit = audit(&["--frames", "1"], &["env", "GSK_RENDERER=gl", "gtk4-widget-factory"]);
    assert_memory(&audit, "memfd:mesa-shared", "memfd", "none", "possible");
    assert_policies(&audit, ["refused", "adopted", "adopted", "guarded"]);
}

#[test]
fn qt_5() {
    require_programs!("qt5ct");
    let audit = audit(&["--frames", "1"], &["qt5ct"]);
    assert_memory(&audit, "memfd:wayland-shm", "memfd", "seal+shrink", "present");
    assert_never_resized(&audit, "memfd:wayland-shm");
    assert_policies(&audit, ["mapped"; 4]);
}

/// Up to 6.7 without F_SEAL_SHRINK, and without a way to add it.
#[test]
fn qt_6() {
    require_programs!("qt6ct");
    let audit = audit(&["--frames", "1"], &["qt6ct"]);
    assert_memory(&audit, "memfd:wayland-shm", "memfd", "seal", "impossible");
    assert_never_resized(&audit, "memfd:wayland-shm");
    assert_policies(&audit, ["refused", "refused", "copied", "guarded"]);
}

/// Half a gigabyte, of which next to nothing is there.
#[test]
fn foot() {
    require_programs!("foot");
    let audit = audit(&["--frames", "8"], &["foot", "cat"]);
    assert_memory(&audit, "memfd:foot", "memfd", "seal+shrink+grow", "present");
    assert_never_resized(&audit, "memfd:foot");
    let pools = audit.called("memfd:foot");
    let large = pools.iter().find(|pool| pool["claimed"] == 512 << 20);
    let large = large.unwrap_or_else(|| panic!("no pool of 512 MiB: {:#}", audit.report));
    assert!(large["resident"].as_u64().unwrap() < 64 << 20, "{large:#}");
    assert_policies(&audit, ["mapped"; 4]);
}

#[test]
fn mesa() {
    require_programs!("weston-simple-egl");
    let audit = audit(&["--frames", "5"], &["weston-simple-egl"]);
    assert_memory(&audit, "memfd:mesa-shared", "memfd", "none", "possible");
    assert_never_resized(&audit, "memfd:mesa-shared");
    assert_eq!(audit.called("memfd:mesa-shared")[0]["sealing"], "open");
    assert_cursors_grow(&audit);
    assert_policies(&audit, ["refused", "adopted", "adopted", "guarded"]);
    let advice = audit.report["advice"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("call fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL)"), "{advice}");
}

#[test]
fn weston_demos() {
    require_programs!("weston-flower");
    let audit = audit(&["--frames", "1"], &["weston-flower"]);
    assert_memory(&audit, "memfd:weston-shared", "memfd", "shrink", "present");
    assert_never_resized(&audit, "memfd:weston-shared");
    assert_policies(&audit, ["mapped"; 4]);
}

fn ours(options: &[&str]) -> Audit {
    let client = [env!("CARGO_BIN_EXE_selkie"), "client", "--frames", "3"];
    audit(&[], &[&client, options].concat())
}

#[test]
fn posix_shared_memory() {
    let audit = ours(&["--memory", "posix"]);
    assert_memory(&audit, "/dev/shm/selkie-client", "/dev/shm file", "seal", "impossible");
    assert_eq!(audit.pools()[0]["sealing"], "never");
    assert_policies(&audit, ["refused", "refused", "copied", "guarded"]);
    let advice = audit.report["advice"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("in place of shm_open()"), "{advice}");
}

#[test]
fn a_file_on_a_disk() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("pool");
    let audit = ours(&["--memory", path.to_str().unwrap()]);
    let pool = audit.called(path.to_str().unwrap())[0];
    // Where the tests are built on a tmpfs, it is that.
    let (kind, seals) = match pool["kind"].as_str().unwrap() {
        "tmpfs file" => ("tmpfs file", "seal"),
        "remote file" => return support::impossible("the mount is not to be seen from here, as in a chroot"),
        _ => ("disk file", "null"),
    };
    assert_memory(&audit, path.to_str().unwrap(), kind, seals, "impossible");
    assert_policies(&audit, ["refused", "refused", "copied", "guarded"]);
}

#[test]
fn our_own_client() {
    let audit = ours(&[]);
    assert_memory(&audit, "memfd:selkie-client", "memfd", "seal+shrink", "present");
    assert_never_resized(&audit, "memfd:selkie-client");
    assert_policies(&audit, ["mapped"; 4]);
    let pool = &audit.pools()[0];
    assert_eq!((&pool["commits"], &pool["drew_before_release"]), (&3.into(), &0.into()));
    for buffer in pool["buffers"].as_array().unwrap() {
        let no = Value::Null;
        assert_eq!((&buffer["not_imported"], &buffer["not_forwarded"]), (&no, &no), "{buffer}");
    }
}

/// It shows nothing: the compositor draws into its memory.
#[test]
fn grim() {
    require_programs!("grim");
    let audit = audit(&[], &["grim", "-t", "ppm", "/dev/null"]);
    assert_memory(&audit, "/dev/shm/", "/dev/shm file", "seal", "impossible");
    assert_never_resized(&audit, "/dev/shm/");
    assert_eq!(audit.pools()[0]["commits"], 0);
    assert_eq!(audit.report["ended"], "exited with 0", "{}", audit.log);
    assert_policies(&audit, ["refused", "refused", "copied", "guarded"]);
}
