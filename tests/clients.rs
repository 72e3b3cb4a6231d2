//! Clients that nobody here wrote, run in selkie's headless compositor: they start, they show their
//! picture, and the ledger says what their memory was and how it was treated.
//!
//! A picture is looked at as closely as its client allows: to the last bit where its source tells what
//! it draws, else by its place, its colours and its shapes.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::{Host, Image, Process, assert_same, eventually, require_programs};

/// Width and height of the output.
const SCREEN: (usize, usize) = (1024, 768);
/// What shows where no window is.
const BACKGROUND: u32 = 0x20_242c;

/// The headless compositor under a policy, with a report.
fn selkie(policy: &str) -> Host {
    let size = format!("{}x{}", SCREEN.0, SCREEN.1);
    Host::selkie(&["--policy", policy, "--size", &size, "--report", "report.jsonl"])
}

/// The lines of the report so far, of this event.
fn reported(host: &Host, event: &str) -> Vec<Value> {
    let text = fs::read_to_string(host.dir.file("report.jsonl")).unwrap();
    // The last line may be half of one.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// Waits until `frames` of the client were on the screen that it committed after `since_us` of the
/// monotonic clock.
fn wait_for_frames(host: &mut Host, client: &mut Process, frames: usize, since_us: u64) {
    eventually(&format!("{frames} frames"), || {
        host.process.assert_alive();
        client.assert_alive();
        let fresh = |line: &&Value| line["committed_us"].as_u64().unwrap() > since_us;
        let shown = reported(host, "frame").iter().filter(fresh).count();
        if shown >= frames { Ok(()) } else { Err(format!("{shown} shown so far")) }
    });
}

/// Runs a client under a policy until it has shown so many frames, and takes a picture; that ends the
/// compositor, and so the client.
fn shows(policy: &str, program: &str, args: &[&str], frames: usize) -> (Host, Process, Image) {
    let mut host = selkie(policy);
    let mut client = host.client(program, args);
    wait_for_frames(&mut host, &mut client, frames, 0);
    let picture = host.screenshot();
    client.wait();
    picture.save(&support::image::pictures().join(format!("clients-{program}-{policy}.png")));
    (host, client, picture)
}

/// Every pool of the run arrived sealed, and none was refused.
fn assert_arrived_sealed(host: &Host) {
    let pools = reported(host, "pool");
    assert!(!pools.is_empty());
    for pool in &pools {
        assert_eq!((&pool["verdict"], &pool["adopted"]), (&"sealed".into(), &false.into()), "{pool}");
        assert!(pool["seals"].as_str().unwrap().contains("shrink"), "{pool}");
    }
    assert_eq!(reported(host, "refused"), [] as [Value; 0]);
}

/// The one window on the screen: in the middle, of this size, with the background all around it.
#[track_caller]
fn window(screen: &Image, width: usize, height: usize) -> Image {
    let at = ((SCREEN.0 - width) / 2, (SCREEN.1 - height) / 2);
    assert_eq!(screen.bounds(BACKGROUND), Some((at.0, at.1, width, height)));
    screen.crop(at.0, at.1, width, height)
}

/// The smallest rectangle (x, y, width, height) that holds every pixel of a colour, and how many those
/// are.
#[track_caller]
fn spot(image: &Image, colour: u32) -> ((usize, usize, usize, usize), usize) {
    let matches = Image::from_fn(image.width, image.height, |x, y| u32::from(image.at(x, y) == colour));
    let bounds = matches.bounds(0).unwrap_or_else(|| panic!("no pixel is #{colour:06x}"));
    (bounds, matches.pixels.iter().filter(|p| **p == 1).count())
}

/// A colour with premultiplied alpha of 0x80 and nothing else, over the background.
const DIMMED: u32 = 0x10_1216;

#[test]
fn wayland_info_lists_every_global() {
    require_programs!("wayland-info");
    let host = selkie("enforce");
    let mut info = host.client("wayland-info", &[]);
    assert!(info.wait().success(), "{}", info.log());
    let log = info.log();
    // "interface: 'wl_compositor',                              version:  7, name:  1"
    let interfaces = log.lines().filter_map(|line| line.strip_prefix("interface: '"));
    let mut globals: Vec<String> = interfaces
        .map(|line| {
            let (name, rest) = line.split_once('\'').unwrap();
            let version = rest.split_once("version:").unwrap().1.split(',').next().unwrap();
            format!("{name} {}", version.trim())
        })
        .collect();
    globals.sort();
    // Only where there can be dma-bufs; tests/dmabuf_server.rs is about that one.
    globals.retain(|global| !global.starts_with("zwp_linux_dmabuf_v1"));
    assert_eq!(
        globals,
        [
            "selkie_ledger_manager_v1 1",
            "wl_compositor 7",
            "wl_data_device_manager 3",
            "wl_output 4",
            "wl_seat 11",
            "wl_shm 2",
            "wl_subcompositor 1",
            "wp_presentation 1",
            "wp_viewporter 1",
            "xdg_wm_base 6",
            "zxdg_output_manager_v1 3",
        ]
    );
    for fact in [
        "width: 1024 px, height: 768 px, refresh: 60.000 Hz",
        "presentation clock id: 1 (CLOCK_MONOTONIC)",
        "capabilities: pointer keyboard",
    ] {
        assert!(log.contains(fact), "{fact} is not in\n{log}");
    }
}

/// What weston-simple-shm draws at a time in milliseconds (`paint_pixels` in its source). It sets the
/// unused byte of XRGB8888 to 0 along a cross, which shows if that byte is taken for alpha.
fn simple_shm(time: u32) -> Image {
    const SIZE: i64 = 250;
    const HALF: i64 = SIZE / 2;
    let (outer, inner) = ((HALF - 8) * (HALF - 8), (HALF - 40) * (HALF - 40));
    Image::from_fn(SIZE as usize, SIZE as usize, |x, y| {
        let (x, y) = (x as i64, y as i64);
        if !(20..SIZE - 20).contains(&x) || !(20..SIZE - 20).contains(&y) {
            return 0xff_ffff;
        }
        let square = (x - HALF) * (x - HALF) + (y - HALF) * (y - HALF);
        let step = match square {
            s if s < inner => s as u32 / 32 + time / 64,
            s if s < outer => y as u32 + time / 32,
            _ => x as u32 + time / 16,
        };
        step.wrapping_mul(0x08_0401)
    })
}

#[test]
fn weston_simple_shm_shows_its_pattern() {
    require_programs!("weston-simple-shm");
    let (host, _, screen) = shows("enforce", "weston-simple-shm", &[], 3);
    let window = window(&screen, 250, 250);
    // The colour in the middle is (time / 64) * 0x080401, modulo 2^24; the factor is odd, so that can be
    // undone. Times are 32 bits, of which this loses none.
    let middle = window.at(125, 125);
    let mut inverse: u32 = 1;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u32.wrapping_sub(0x08_0401u32.wrapping_mul(inverse)));
    }
    let time = (middle.wrapping_mul(inverse) & 0xff_ffff) * 64;
    let drawn = (0..4).map(|i| simple_shm(time + 16 * i)).find(|image| *image == window);
    assert_same("weston-simple-shm", &window, &drawn.unwrap_or_else(|| simple_shm(time)));
    assert_arrived_sealed(&host);
}

/// It moves a ball and damages only where the ball was and is: a trail, or a second ball, is damage
/// that was lost.
#[test]
fn weston_simple_damage_leaves_no_trail() {
    require_programs!("weston-simple-damage");
    let ways: [&[&str]; 5] =
        [&[], &["--use-damage-buffer"], &["--use-viewport"], &["--scale=2"], &["--transform=flipped-90"]];
    for args in ways {
        let (host, _, screen) = shows("enforce", "weston-simple-damage", args, 30);
        let window = window(&screen, 300, 200);
        let ((x, y, width, height), _) = spot(&window, 0x00_ff00);
        assert!(
            (15..=22).contains(&width) && (15..=22).contains(&height),
            "{args:?}: a ball {width}x{height}"
        );
        for (at_x, at_y) in (12..188).flat_map(|y| (12..288).map(move |x| (x, y))) {
            // Five pixels around the ball: where its picture is scaled, its edge is soft.
            let ball = at_x + 5 >= x && at_x < x + width + 5 && at_y + 5 >= y && at_y < y + height + 5;
            let pixel = window.at(at_x, at_y);
            assert!(ball || pixel == DIMMED, "{args:?}: a trail of #{pixel:06x} at ({at_x}, {at_y})");
        }
        assert_eq!(window.at(0, 0), 0xff_ffff, "{args:?}: a border");
        assert_arrived_sealed(&host);
    }
}

#[test]
fn weston_flower_shows_a_flower() {
    require_programs!("weston-flower");
    let (host, _, screen) = shows("enforce", "weston-flower", &[], 1);
    let (x, y, width, height) = screen.bounds(BACKGROUND).unwrap();
    let inside: (Range<usize>, Range<usize>) = (412..612, 284..484);
    assert!(inside.0.contains(&x) && x + width <= inside.0.end, "x {x}, width {width}");
    assert!(inside.1.contains(&y) && y + height <= inside.1.end, "y {y}, height {height}");
    assert!(width > 50 && height > 50, "{width}x{height}");
    // Its middle is filled; its corners are transparent.
    assert_ne!(screen.at(512, 384), BACKGROUND);
    assert_eq!(screen.at(412, 284), BACKGROUND);
    assert!(screen.colours() > 16, "its edges are smooth: {} colours", screen.colours());
    assert_arrived_sealed(&host);
}

/// Its output tells of each frame when it was shown.
#[test]
fn weston_presentation_shm_is_told_when_each_frame_was_shown() {
    require_programs!("weston-presentation-shm");
    let (host, client, screen) = shows("enforce", "weston-presentation-shm", &[], 20);
    // A turning disc of four colours on a chequered board.
    let window = window(&screen, 250, 250);
    for colour in [0x00_0000, 0xff_ffff, 0xff_0000, 0x00_ff00, 0x00_00ff] {
        let (_, pixels) = spot(&window, colour);
        assert!(pixels > 5000, "{pixels} pixels of #{colour:06x}");
    }
    assert_eq!(window.colours(), 5);
    let log = client.log();
    assert!(!log.contains("discarded"), "{log}");
    // "   12: f2c  0 ms, c2p 16 ms, f2p 16 ms, p2p 16644 us, t2p  16547, [____], seq 13"
    let mut sequences = Vec::new();
    for line in log.lines().filter(|line| line.contains("seq ")) {
        // Neither synchronised to a display, nor stamped by one, nor shown without a copy.
        assert!(line.contains("[____]"), "{line}");
        sequences.push(line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    }
    assert!(sequences.len() >= 20, "{} frames:\n{log}", sequences.len());
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    assert_arrived_sealed(&host);
}

#[test]
fn weston_simple_egl_is_adopted() {
    require_programs!("weston-simple-egl");
    // A triangle with a corner each of red, green and blue. It turns, and is not to be seen edge-on.
    let has_triangle = |window: &Image| {
        [16, 8, 0].into_iter().all(|shift| {
            let others = 0xf0_f0f0 & !(0xff << shift);
            window.pixels.iter().any(|p| (p >> shift) & 0xff > 0xc0 && (p & others).count_ones() <= 2)
        })
    };
    let seen = (0..5).find_map(|_| {
        let (host, _, screen) = shows("adopt", "weston-simple-egl", &[], 5);
        let window = window(&screen, 250, 250);
        assert_eq!(window.at(0, 0), DIMMED);
        has_triangle(&window).then_some(host)
    });
    let host = seen.expect("a triangle of all colours");
    // Cursors come sealed; what Mesa draws into does not.
    let pools = reported(&host, "pool");
    let adopted: Vec<&Value> = pools.iter().filter(|pool| pool["adopted"] == true).collect();
    assert!(!adopted.is_empty(), "{pools:?}");
    for pool in adopted {
        assert_eq!((&pool["kind"], &pool["verdict"]), (&"memfd".into(), &"sealed".into()));
        assert_eq!((&pool["seals"], &pool["size"]), (&"shrink".into(), &250_000.into()));
    }
    assert!(pools.iter().all(|pool| pool["verdict"] == "sealed"), "{pools:?}");
}

/// Four ways to show a buffer of 421x337 pixels, red with a box of 55x77 in it that is blue. The client
/// itself says (`--help`) what is to be seen.
#[test]
fn weston_scaler_is_cropped_and_scaled() {
    require_programs!("weston-scaler");
    let show = |mode: &str, width, height| {
        let (host, _, screen) = shows("enforce", "weston-scaler", &[mode], 1);
        assert_arrived_sealed(&host);
        window(&screen, width, height)
    };
    let whole = show("-n", 421, 337);
    assert_eq!((whole.at(0, 0), whole.at(420, 336)), (0xff_0000, 0xff_0000));
    assert_eq!((whole.at(48, 63), whole.at(100, 63)), (0x00_00ff, 0xff_0000));
    let squashed = show("-d", 220, 308);
    assert_eq!((squashed.at(0, 0), squashed.at(219, 307)), (0xff_0000, 0xff_0000));
    assert_eq!((squashed.at(25, 58), squashed.at(52, 58)), (0x00_00ff, 0xff_0000));
    // Cropped to the box, which has a green edge on the left and a white one on the right.
    let (cropped, both) = (show("-s", 55, 77), show("-b", 220, 308));
    assert_eq!((cropped.at(27, 38), cropped.at(54, 38)), (0x00_00ff, 0xff_ffff));
    assert_eq!((both.at(110, 154), both.at(219, 154)), (0x00_00ff, 0xff_ffff));
    let [_, red, green, blue] = both.at(0, 154).to_be_bytes();
    assert!(red == 0 && green > blue, "#{:06x}", both.at(0, 154));
}

/// Lines from the middle of a black window, each two pixels wide, of which the colours say which way is up.
#[test]
fn weston_transformed_stands_upright() {
    require_programs!("weston-transformed");
    let (host, _, screen) = shows("enforce", "weston-transformed", &[], 1);
    let window = window(&screen, 500, 250);
    let near = |at: usize, line: usize| at == line || at + 1 == line;
    let points = [(250, 60), (250, 190), (100, 125), (400, 125)].map(|(x, y)| window.at(x, y));
    assert_eq!(points, [0xff_0000, 0xff_ffff, 0xff_ffff, 0x00_ff00]);
    for (x, y) in (0..250).flat_map(|y| (0..500).map(move |x| (x, y))) {
        assert_eq!(near(x, 250) || near(y, 125), window.at(x, y) != 0, "({x}, {y})");
    }
    assert_arrived_sealed(&host);
}

/// A window and two subsurfaces, one of them drawn by OpenGL and half transparent, that lie side by side
/// as if they were one.
#[test]
fn weston_subsurfaces_lie_side_by_side() {
    require_programs!("weston-subsurfaces");
    let mut host = selkie("adopt");
    let mut client = host.client("weston-subsurfaces", &[]);
    eventually("all of the three to be shown", || {
        client.assert_alive();
        let mut frames = std::collections::BTreeMap::new();
        for line in reported(&host, "frame") {
            *frames.entry(line["surface"].as_u64().unwrap()).or_insert(0) += 1;
        }
        let shown = frames.len() == 3 && frames.values().all(|n| *n >= 2);
        if shown { Ok(()) } else { Err(format!("frames of each so far: {frames:?}")) }
    });
    let screen = host.screenshot();
    let (main, _) = spot(&screen, 0x06_aa09);
    let (red, _) = spot(&screen, 0xa4_2202);
    let (opengl, _) = spot(&screen, 0x02_3803);
    assert_eq!((red.0, red.1), (main.0 + main.2, main.1), "main {main:?}, red {red:?}");
    assert_eq!((opengl.0, opengl.1), (red.0, red.1 + red.3), "red {red:?}, opengl {opengl:?}");
    assert_eq!((opengl.2, opengl.1 + opengl.3), (red.2, main.1 + main.3), "opengl {opengl:?}, main {main:?}");
}

const NOT_SHRINK_SEALED: &str = "memfd without F_SEAL_SHRINK: add F_SEAL_SHRINK with fcntl(F_ADD_SEALS) before \
                                 wl_shm.create_pool (policy enforce)";

/// Under `enforce` the client gets this protocol error for its wl_shm, and ends; the ledger has it too,
/// and nothing of it was shown.
fn is_refused(program: &str, reason: &str) {
    let mut host = selkie("enforce");
    let mut command = host.command(program);
    // GTK does not say what the error was; libwayland does.
    command.env("WAYLAND_DEBUG", "client");
    let mut client = host.spawn(command);
    client.wait();
    let log = client.log();
    // "[123456.789] wl_display@1.error(wl_shm@5, 2, "memfd without ...")", of later versions with "#"
    let wanted = format!(", 2, \"{reason}\")");
    let error =
        log.lines().find(|line| line.contains(".error(")).unwrap_or_else(|| panic!("no error:\n{log}"));
    assert!(error.contains(".error(wl_shm") && error.ends_with(&wanted), "{error}");
    host.process.assert_alive();
    let refused = reported(&host, "refused");
    let errors: Vec<&Value> = refused.iter().map(|line| &line["error"]).collect();
    assert_eq!(errors, [reason]);
    assert_eq!(refused[0]["policy"], "enforce");
    let gone = eventually("the client to be gone", || reported(&host, "gone").pop().ok_or_else(String::new));
    assert!(gone["error"].as_str().unwrap().ends_with(reason), "{gone}");
    assert_eq!(host.screenshot().bounds(BACKGROUND), None);
}

#[test]
fn weston_simple_egl_is_refused_where_sealing_is_enforced() {
    require_programs!("weston-simple-egl");
    is_refused("weston-simple-egl", NOT_SHRINK_SEALED);
}

/// Runs a shell script in a terminal and takes a picture of the terminal that has all of its output.
///
/// A terminal does not say when it has shown something. So the script, when it is done, asks it for its
/// status (the answer comes after all that was before), waits to be told to go on, and prints more, twice.
/// The first frame that comes after the answer may have been on its way before it. The next has been drawn
/// after the frame callback of that one, and has it all.
fn terminal(host: &mut Host, program: &str, args: &[&str], script: &str) -> (Image, Process) {
    let (asked, go) = (host.dir.file("asked"), host.dir.file("go"));
    rustix::fs::mknodat(rustix::fs::CWD, &go, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let text = format!(
        "#!/bin/sh\nstty raw -echo\n{script}\nprintf '\\033[5n'\nhead -c 4 >/dev/null\n: >asked\n\
         exec 3<go\n\
         for column in 1 2; do read line <&3; printf \"\\033[10;${{column}}H#\"; done\nexec cat >/dev/null\n"
    );
    let file = host.dir.file("script");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = host.command(program);
    command.args(args).env("SHELL", "/bin/sh");
    let mut client = host.spawn(command);
    eventually("the terminal to answer its script", || {
        client.assert_alive();
        if asked.exists() { Ok(()) } else { Err("no answer yet".to_owned()) }
    });
    let mut go = File::options().write(true).open(go).unwrap();
    for frame in ["a frame of what was printed", "the frame after it"] {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now_us = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
        go.write_all(b"go\n").unwrap();
        eventually(frame, || {
            client.assert_alive();
            // A title bar or an edge of the window may be a surface of its own, and does not count.
            let buffers = reported(host, "buffer").into_iter().filter(|b| b["height"].as_i64() > Some(200));
            let windows: Vec<Value> = buffers.map(|b| b["buffer"].clone()).collect();
            let frames = reported(host, "frame");
            let mut fresh = frames.iter().filter(|f| f["committed_us"].as_u64() > Some(now_us));
            if fresh.any(|f| windows.contains(&f["buffer"])) { Ok(()) } else { Err("none yet".to_owned()) }
        });
    }
    let picture = host.screenshot();
    picture.save(&support::image::pictures().join(format!("clients-{program}.png")));
    (picture, client)
}

/// Three blocks of colour next to each other, of ten columns and two rows each, and a line of text.
fn assert_blocks(screen: &Image, colours: [u32; 3]) {
    let blocks = colours.map(|colour| {
        let ((x, y, width, height), pixels) = spot(screen, colour);
        assert_eq!(pixels, width * height, "#{colour:06x} is a rectangle of {width}x{height}");
        (x, y, width, height)
    });
    let (x, y, width, height) = blocks[0];
    assert_eq!(width % 10, 0, "ten columns");
    assert_eq!(height % 2, 0, "two rows");
    assert!((50..200).contains(&width) && (16..80).contains(&height), "{width}x{height}");
    assert_eq!(blocks[1], (x + width, y, width, height));
    assert_eq!(blocks[2], (x + 2 * width, y, width, height));
    // The text stands two rows below.
    let text = screen.crop(x, y + 2 * height, width, height / 2);
    assert!(text.colours() > 2, "smooth letters, not {} colours", text.colours());
}

const TEXT: &str = r"printf '\033[5;1Hselkie was here'";

#[test]
fn weston_terminal_shows_what_is_printed_in_it() {
    require_programs!("weston-terminal");
    let mut host = selkie("enforce");
    let row = r"\033[41m          \033[42m          \033[44m          \033[0m";
    let script = format!("printf '\\033[2J\\033[1;1H{row}\\033[2;1H{row}'\n{TEXT}");
    let (screen, _client) = terminal(&mut host, "weston-terminal", &["--shell=./script"], &script);
    assert_blocks(&screen, [0xa8_0000, 0x00_a800, 0x00_00a8]);
    assert_arrived_sealed(&host);
}

#[test]
fn foot_shows_what_is_printed_in_it() {
    require_programs!("foot");
    let mut host = selkie("enforce");
    let row =
        r"\033[48;2;200;30;40m          \033[48;2;20;210;30m          \033[48;2;10;60;220m          \033[0m";
    let script = format!("printf '\\033[2J\\033[1;1H{row}\\033[2;1H{row}'\n{TEXT}");
    let (screen, _client) = terminal(&mut host, "foot", &["--config=/dev/null", "./script"], &script);
    assert_blocks(&screen, [0xc8_1e28, 0x14_d21e, 0x0a_3cdc]);
    assert_arrived_sealed(&host);
    // Half a gigabyte, nearly all of it holes: only what is shown may be touched.
    let largest = reported(&host, "pool").iter().map(|pool| pool["size"].as_u64().unwrap()).max();
    assert_eq!(largest, Some(512 << 20));
}

const CANNOT_BE_SEALED: &str = "memfd without F_SEAL_SHRINK: create it with MFD_ALLOW_SEALING and add F_SEAL_SHRINK before wl_shm.create_pool";

/// gtk3-demo draws into memfds that can never be sealed. Its main window: a title bar, a list with a
/// selected line, and text on white.
fn gtk3_demo_is_shown(policy: &str) {
    let (host, _, screen) = shows(policy, "gtk3-demo", &[], 3);
    let (_, _, width, height) = screen.bounds(BACKGROUND).unwrap();
    assert!((700..=1024).contains(&width) && (500..=768).contains(&height), "{width}x{height}");
    let count = |wanted: fn([u8; 3]) -> bool| {
        let rgb = screen.pixels.iter().map(|p| p.to_be_bytes());
        rgb.filter(|[_, r, g, b]| wanted([*r, *g, *b])).count()
    };
    // The selected line is blue; colours differ a little while the window comes to the fore.
    let (light, blue, dark) = (
        count(|rgb| rgb.iter().all(|c| *c > 0xf8)),
        count(|[r, g, b]| r < 0x50 && (0x70..0xa0).contains(&g) && b > 0xd0),
        count(|rgb| rgb.iter().all(|c| *c < 0x60)) - count(|rgb| rgb.iter().all(|c| *c <= 0x2c)),
    );
    assert!(light > 100_000, "{light} light pixels");
    assert!(blue > 3_000, "{blue} pixels of the selected line");
    assert!(dark > 500, "{dark} pixels of text");
    // Its cursors come from libwayland-cursor, and are sealed.
    let (own, cursors): (Vec<Value>, Vec<Value>) =
        reported(&host, "pool").into_iter().partition(|pool| pool["seals"] == "seal");
    assert!(!own.is_empty() && !cursors.is_empty());
    for pool in &own {
        assert_eq!((&pool["kind"], &pool["verdict"]), (&"memfd".into(), &"unsealed".into()), "{pool}");
        assert_eq!((&pool["why"], &pool["adopted"]), (&CANNOT_BE_SEALED.into(), &false.into()), "{pool}");
    }
    for pool in &cursors {
        assert_eq!((&pool["verdict"], &pool["adopted"]), (&"sealed".into(), &false.into()), "{pool}");
    }
}

#[test]
fn gtk3_demo_is_copied() {
    require_programs!("gtk3-demo");
    gtk3_demo_is_shown("copy");
}

#[test]
fn gtk3_demo_is_guarded() {
    require_programs!("gtk3-demo");
    gtk3_demo_is_shown("guard");
}

#[test]
fn gtk3_demo_is_refused_where_sealing_is_enforced() {
    require_programs!("gtk3-demo");
    is_refused("gtk3-demo", &format!("{CANNOT_BE_SEALED} (policy enforce)"));
}

/// An exception for one program leaves the others as they were.
#[test]
fn an_exception_admits_one_program_and_no_other() {
    require_programs!("gtk3-demo", "weston-simple-egl");
    let args = ["--policy-for", "gtk3-demo=copy", "--report", "report.jsonl"];
    let mut host = Host::selkie(&args);
    let mut gtk = host.client("gtk3-demo", &[]);
    wait_for_frames(&mut host, &mut gtk, 1, 0);
    host.client("weston-simple-egl", &[]).wait();
    gtk.assert_alive();
    let refused = reported(&host, "refused");
    assert_eq!((refused.len(), &refused[0]["error"]), (1, &NOT_SHRINK_SEALED.into()));
}
