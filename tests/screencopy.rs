//! Pictures that clients take of the output (`zwlr_screencopy_manager_v1`): what grim gets, and what a client gets that says
//! anything in any order, with memory of any kind.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use selkie_client::{Config, Pattern, Size};
use support::{Host, Image, assert_same, require_programs};

/// grim's memory is a file in /dev/shm, which cannot be sealed.
const FOR_GRIM: [&str; 3] = ["--screencopy", "--policy-for", "grim=copy"];

/// What grim makes of a compositor.
fn grim(host: &Host, args: &[&str]) -> Image {
    let file = host.dir.file("grim.png");
    let mut command = host.command("grim");
    command.args(args).arg(&file);
    let mut process = host.spawn(command);
    let status = process.wait();
    assert!(status.success(), "{status}:\n{}", process.log());
    Image::load(&file).unwrap()
}

fn picture() -> Config {
    Config { pattern: Pattern::Plasma, frames: Some(3), size: Size::new(303, 201), ..Config::default() }
}

#[test]
fn grim_gets_what_the_headless_screen_shows() {
    require_programs!("grim");
    let mut args = vec!["--size", "641x479", "--refresh", "0"];
    args.extend(FOR_GRIM);
    let mut host = Host::selkie(&args);
    let _shown = host.show(&picture());
    let (whole, part) = (grim(&host, &[]), grim(&host, &["-g", "170,140 99x50"]));
    let named = grim(&host, &["-o", "SELKIE-1"]);
    let expected = host.screenshot();
    assert!(expected.colours() > 100);
    assert_same("grim-headless", &whole, &expected);
    assert_same("grim-part", &part, &expected.crop(170, 140, 99, 50));
    assert_same("grim-named", &named, &expected);
}

#[test]
fn grim_gets_what_a_nested_screen_shows() {
    require_programs!("grim");
    for path in [&[][..], &["--compose"]] {
        let outer = Host::selkie(&["--size", "800x600", "--refresh", "0"]);
        let capture = outer.dir.file("nested.png");
        let mut args = vec!["--size", "641x479", "--capture", capture.to_str().unwrap()];
        args.extend(FOR_GRIM);
        args.extend(path);
        let mut host = outer.selkie_inside(&args);
        let shown = host.show(&picture());
        let (whole, part) = (grim(&host, &[]), grim(&host, &["-g", "170,140 99x50"]));
        assert!(host.terminate().success());
        drop(shown);
        let expected = Image::load(&capture).unwrap();
        assert!(expected.colours() > 100);
        assert_same("grim-nested", &whole, &expected);
        assert_same("grim-nested-part", &part, &expected.crop(170, 140, 99, 50));
    }
}

#[test]
fn without_the_option_nobody_takes_pictures() {
    let host = Host::selkie(&["--size", "64x64"]);
    let raw = support::raw::Raw::connect(&host.socket());
    assert_eq!(raw.offered("zwlr_screencopy_manager_v1"), None);
    assert_eq!(raw.offered("zxdg_output_manager_v1"), Some(3));
}
