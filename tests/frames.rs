//! Every frame that is shown is one frame: none is torn between two, none comes back after a newer one, and the
//! client is told the truth about which ones there were.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use selkie_client::{Config, Format, Pattern, Size, stamp};
use serde_json::Value;
use support::show::arguments;
use support::{Host, Image, Process, animation, require_programs};

/// Runs a client to its end; returns its report: the lines of its frames, and the last one.
fn run(host: &Host, config: &Config) -> (Vec<Value>, Value) {
    let report = host.dir.file("client.jsonl");
    let config = Config { report: Some(report.clone()), ..config.clone() };
    let arguments = arguments(&config);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| *a != "--hold").collect();
    let mut client = host.selkie_client(&arguments);
    let status = client.wait();
    assert!(status.success(), "{status}: {}", client.log());
    let text = std::fs::read_to_string(report).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    (lines, summary)
}

/// The numbers of the frames that a recording shows, in order; each must be whole, its two stamps and all of
/// its pixels. Frames without the client are left out.
fn shown_frames(recording: &[Image], config: &Config) -> Vec<u64> {
    let picture = config.picture(config.size);
    let Size { width, height } = config.size;
    let mut shown = Vec::new();
    for image in recording {
        let (found, stamp) = match stamp::find(image.view()) {
            Ok(found) => found,
            Err(stamp::StampError::NotFound) => continue,
            Err(e) => panic!("after frame {:?}: {e}", shown.last()),
        };
        let (x, y) = (found.origin.0 as usize, found.origin.1 as usize);
        let seen = image.crop(x, y, width as usize, height as usize).opaque();
        assert!(seen == picture.shown_on_black(stamp.frame), "frame {} is not whole", stamp.frame);
        shown.push(u64::from(stamp.frame));
    }
    shown
}

fn presented(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter(|l| !l["present_ns"].is_null()).map(|l| l["frame"].as_u64().unwrap()).collect()
}

fn moving(frames: u64, pace: bool, buffers: u32) -> Config {
    let size = Size::new(163, 171);
    Config { pattern: Pattern::MovingBar, size, frames: Some(frames), pace, buffers, ..Config::default() }
}

/// Which frames were on the screen is what the client was told, in either pace and with few buffers or many; and
/// each was whole, though the client draws the next one at once into any buffer that comes back.
#[test]
fn what_the_client_is_told_is_what_was_shown() {
    let cases = [("0", true, 2), ("0", false, 2), ("0", false, 5), ("500", true, 2), ("500", false, 3)];
    for (refresh, pace, buffers) in cases {
        let recording = support::RuntimeDir::new();
        let file = recording.file("all.apng");
        let mut host =
            Host::selkie(&["--size", "191x183", "--refresh", refresh, "--record", file.to_str().unwrap()]);
        let config = moving(60, pace, buffers);
        let (lines, summary) = run(&host, &config);
        assert!(host.terminate().success(), "{}", host.process.log());
        let told = presented(&lines);
        let name = format!("refresh {refresh}, pace {pace}, {buffers} buffers");
        assert_eq!(shown_frames(&animation(&file), &config), told, "{name}");
        assert_eq!((lines.len(), summary["committed"].as_u64()), (60, Some(60)), "{name}");
        assert_eq!(told.len() as u64, summary["presented"].as_u64().unwrap(), "{name}");
        let discarded = lines.iter().filter(|l| l["discarded"] == true).count();
        assert_eq!(told.len() + discarded, 60, "{name}");
        assert_eq!(told.last(), Some(&59), "{name}: the last one stays");
        if pace {
            assert_eq!(discarded, 0, "{name}: who waits for frame callbacks loses none");
        }
        assert!(lines.iter().all(|l| l["zero_copy"] == false), "{name}: all was composed");
    }
}

/// The same through a compositor in between: what its host records are whole frames, and just those of which the
/// client was told.
#[test]
fn nested_frames_are_as_whole() {
    for (pace, buffers) in [(true, 2), (false, 3)] {
        let dir = support::RuntimeDir::new();
        let file = dir.file("all.apng");
        let mut host =
            Host::selkie(&["--size", "191x183", "--refresh", "0", "--record", file.to_str().unwrap()]);
        let nested = host.selkie_inside(&["--size", "191x183"]);
        let config = moving(40, pace, buffers);
        let (lines, _) = run(&nested, &config);
        assert!(host.terminate().success(), "{}", host.process.log());
        let told = presented(&lines);
        assert_eq!(shown_frames(&animation(&file), &config), told, "pace {pace}");
        assert_eq!(told.last(), Some(&39), "pace {pace}: the last one stays");
        assert!(!pace || told.len() == 40, "who waits for frame callbacks loses none: {told:?}");
    }
}

/// The same through memory that is copied at each commit instead of being mapped.
#[test]
fn copied_memory_is_as_whole() {
    let dir = support::RuntimeDir::new();
    let file = dir.file("all.apng");
    let mut host = Host::selkie(&[
        "--size",
        "191x183",
        "--refresh",
        "0",
        "--policy",
        "copy",
        "--record",
        file.to_str().unwrap(),
    ]);
    let config = Config { format: Format::Xbgr8888, ..moving(40, false, 2) };
    let arguments = arguments(&config);
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| *a != "--hold").collect();
    arguments.extend(["--memory", "posix"]);
    let mut client: Process = host.selkie_client(&arguments);
    assert!(client.wait().success(), "{}", client.log());
    assert!(host.terminate().success(), "{}", host.process.log());
    let shown = shown_frames(&animation(&file), &config);
    assert!(shown.is_sorted_by(|a, b| a < b) && shown.last() == Some(&39), "{shown:?}");
}

/// Times, refresh and sequence of a headless output that has a rhythm.
#[test]
fn presentation_times_are_true() {
    let host = Host::selkie(&["--size", "191x183", "--refresh", "100"]);
    let (lines, _) = run(&host, &moving(30, true, 3));
    assert_eq!(presented(&lines), (0..30).collect::<Vec<u64>>());
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    for line in &lines {
        assert_eq!(number(line, "refresh_ns"), 10_000_000);
        // Both are read from the clock that the compositor names; a frame is not shown before it is committed.
        assert!(number(line, "present_ns") >= number(line, "commit_ns"), "{line}");
    }
    for pair in lines.windows(2) {
        assert_eq!(number(&pair[1], "sequence"), number(&pair[0], "sequence") + 1);
        assert!(number(&pair[1], "present_ns") > number(&pair[0], "present_ns"));
    }
    // A frame that is late is followed by one that is in time; all together keep the rhythm.
    let apart = number(&lines[29], "present_ns") - number(&lines[0], "present_ns");
    assert!(apart > 28 * 10_000_000, "30 frames at 100 Hz in {apart} ns");
}

/// The host's times are passed on as they are: weston's are of another clock.
#[test]
fn presentation_times_of_a_host_are_true() {
    require_programs!("weston");
    let host = Host::weston(400, 300).unwrap();
    let nested = host.selkie_inside(&["--size", "191x183"]);
    let (lines, _) = run(&nested, &moving(12, true, 3));
    assert_eq!(presented(&lines), (0..12).collect::<Vec<u64>>());
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let times: Vec<(u64, u64)> =
        lines.iter().map(|line| (number(line, "commit_ns"), number(line, "present_ns"))).collect();
    assert!(
        times.iter().all(|(commit, present)| commit <= present && present - commit < 30_000_000_000),
        "{times:?}"
    );
    assert!(times.is_sorted_by(|a, b| a.1 < b.1), "{times:?}");
}
