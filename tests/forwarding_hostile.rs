//! Clients behind forwarding that die or mean harm, and hosts that do not answer. Whatever they do, the host never ends our
//! connection, others go on, and nothing of them is left, here or there.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests too, but clippy cannot see it

mod support;

use std::os::fd::AsFd;

use rustix::fs::{SealFlags, ftruncate};
use rustix::io::Errno;
use support::artist::{Artist, ROOM};
use support::mock::Order;
use support::raw::memfd;
use support::report::Path;
use support::wire::{Arg, Wire};
use support::{Counters, Host, Mock, Witness, eventually};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::Format;

/// What is to be as it was when a client is gone.
struct Scene {
    host: Host,
    nested: Host,
    bystander: Witness,
    before: [(Vec<String>, usize); 2],
}

impl Scene {
    fn new(policy: &str) -> Self {
        let host = Host::selkie(&["--size", "200x150", "--refresh", "0"]);
        let nested = host.selkie_inside(&["--size", "200x150", "--policy", policy]);
        let bystander = Witness::new(&nested.socket());
        let mut scene = Self { host, nested, bystander, before: Default::default() };
        // What is made once is made now: threads, layers of the cursor, a second buffer.
        for _ in 0..2 {
            let mut warm = scene.client();
            let window = warm.window((90, 80)).surface;
            let buffer = warm.buffer((90, 80), Format::Argb8888, 1);
            warm.show(&window, &buffer);
        }
        scene.bystander.goes_on();
        let open = scene.has();
        scene.before = eventually("the first clients to be gone", || {
            let now = scene.has();
            let pools = |has: &[(Vec<String>, usize); 2]| {
                has[0].0.iter().filter(|target| target.contains("/memfd:selkie-test")).count()
            };
            if pools(&now) == 1 { Ok(now) } else { Err(format!("{open:?}")) }
        });
        scene
    }

    fn client(&self) -> Artist {
        Artist::connect(&self.nested.socket())
    }

    /// The fds and the shared mappings, of selkie and of its host.
    fn has(&self) -> [(Vec<String>, usize); 2] {
        [&self.nested, &self.host]
            .map(|selkie| (Counters::fd_targets(selkie.process.pid()), selkie.process.counters().shared_maps))
    }

    /// The connection lives, and an ordinary client still shows.
    fn goes_on(&mut self) {
        self.nested.process.assert_alive();
        self.host.process.assert_alive();
        self.bystander.goes_on();
        drop(Witness::new(&self.nested.socket()));
    }

    /// The same, and nothing is left of clients that are gone.
    fn is_as_before(&mut self) {
        self.goes_on();
        eventually("what the client left to go", || {
            self.bystander.goes_on();
            let now = self.has();
            // What selkie composes into is mapped and kept; a client's is not.
            let strangers = |has: &[(Vec<String>, usize); 2]| -> Vec<usize> {
                has.iter().map(|(fds, _)| fds.iter().filter(|t| t.contains("selkie-test")).count()).collect()
            };
            // Timers are made once, when one is needed first. What selkie draws into grows when much has to be drawn at once; and
            // where all has to be, the bystander's pool is mapped.
            let lasting =
                |target: &&String| !target.starts_with("anon_inode:") && !target.contains("selkie-output");
            let files = |has: &[(Vec<String>, usize); 2]| -> Vec<usize> {
                has.iter().map(|(fds, _)| fds.iter().filter(lasting).count()).collect()
            };
            let maps = now[0].1 <= self.before[0].1 + 1 && now[1].1 <= self.before[1].1 + 3;
            match maps && files(&now) == files(&self.before) && strangers(&now) == strangers(&self.before) {
                true => Ok(()),
                false => Err(format!("{now:?}, before: {:?}", self.before)),
            }
        });
    }
}

#[test]
fn a_client_that_truncates_harms_itself_at_most() {
    for policy in ["enforce", "adopt", "copy", "guard"] {
        let mut scene = Scene::new(policy);
        for allow in [Some(SealFlags::empty()), None] {
            let memory = memfd(ROOM, allow);
            let socket = scene.nested.socket();
            // Whoever is refused ends here: at the latest when it wants its window.
            let harm = std::panic::catch_unwind(move || {
                let mut artist = Artist::with(&socket, memory);
                artist.raw.roundtrip().ok()?;
                let window = artist.window((90, 80)).surface;
                let buffers: Vec<WlBuffer> =
                    (1..3).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
                let forwards = matches!(policy, "adopt" | "copy") && allow.is_some();
                let path = if forwards { Path::Forwarded } else { Path::Composed };
                artist.show_by(&window, &buffers[0], path);
                let cut = ftruncate(&artist.memory, 0);
                artist.commit(&window, &buffers[1]);
                let _ = artist.raw.roundtrip();
                Some((path, cut))
            });
            let expected = match (policy, allow) {
                ("enforce", _) | ("adopt", None) => None,
                ("adopt" | "copy", Some(_)) => Some((Path::Forwarded, Err(Errno::PERM))),
                _ => Some((Path::Composed, Ok(()))),
            };
            assert_eq!(harm.unwrap(), expected, "{policy} {allow:?}");
            scene.is_as_before();
        }
    }
}

/// No seal that a host could stumble over is added once memory was handed on; before that it is not handed on.
#[test]
fn a_client_that_seals_late_is_too_late_or_drawn() {
    let mut scene = Scene::new("enforce");
    for seal in [SealFlags::FUTURE_WRITE, SealFlags::WRITE, SealFlags::GROW] {
        let open = || memfd(ROOM, Some(SealFlags::SHRINK));
        let mut artist = Artist::with(&scene.nested.socket(), open());
        let window = artist.window((90, 80)).surface;
        let buffers: Vec<WlBuffer> = (1..3).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
        // Before the first commit.
        rustix::fs::fcntl_add_seals(&artist.memory, seal).unwrap();
        let path = if seal == SealFlags::GROW { Path::Forwarded } else { Path::Composed };
        artist.show_by(&window, &buffers[0], path);
        drop(artist);
        scene.is_as_before();
        // After it.
        let mut artist = Artist::with(&scene.nested.socket(), open());
        let window = artist.window((90, 80)).surface;
        let buffers: Vec<WlBuffer> = (1..3).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
        artist.show_by(&window, &buffers[0], Path::Forwarded);
        assert_eq!(rustix::fs::fcntl_add_seals(&artist.memory, seal), Err(Errno::PERM));
        artist.show(&window, &buffers[1]);
        assert_eq!(artist.path(&buffers[1]).unwrap().0, Path::Forwarded);
        drop(artist);
        scene.is_as_before();
    }
}

/// All that a client does in a frame, up to a step; then it is gone.
fn go(wire: &mut Wire, steps: usize) -> std::io::Result<()> {
    let mut left = steps;
    let mut step = || {
        left = left.saturating_sub(1);
        left > 0
    };
    let memory = memfd(1 << 16, Some(SealFlags::SHRINK | SealFlags::SEAL));
    let shm = wire.bind("wl_shm", 1);
    let pool = wire.pool(shm, memory.as_fd(), 1 << 15)?;
    let layout = |offset| [Arg::Int(offset), Arg::Int(40), Arg::Int(40), Arg::Int(160), Arg::Uint(0)];
    let a = wire.create("wl_buffer", pool, 0, &layout(0))?;
    let b = wire.create("wl_buffer", pool, 0, &layout(8192))?;
    let (surface, _) = wire.window().map_err(|e| std::io::Error::other(format!("{e:?}")))?;
    let (compositor, subcompositor) = (wire.bind("wl_compositor", 4), wire.bind("wl_subcompositor", 1));
    let presentation = wire.bind("wp_presentation", 1);
    let child = wire.create("wl_surface", compositor, 0, &[])?;
    let role = wire.create("wl_subsurface", subcompositor, 1, &[Arg::Uint(child), Arg::Uint(surface)])?;
    for (n, buffer) in [a, b, a, b].into_iter().enumerate() {
        for target in [child, surface] {
            for request in 0..5 {
                if !step() {
                    return Ok(());
                }
                match request {
                    0 => wire.send(target, 1, &[Arg::Uint(buffer), Arg::Int(0), Arg::Int(0)])?,
                    1 => wire.send(target, 2, &[0, 0, 99, 99].map(Arg::Int))?,
                    2 => drop(wire.create("wl_callback", target, 3, &[])?),
                    3 => {
                        let feedback = wire.new_id("wp_presentation_feedback");
                        wire.send(presentation, 1, &[Arg::Uint(target), Arg::Uint(feedback)])?;
                    }
                    _ => wire.send(target, 6, &[])?,
                }
            }
        }
        if !step() {
            return Ok(());
        }
        match n {
            // What shows is destroyed, and the rest grows.
            0 => wire.roundtrip().map(drop).map_err(|e| std::io::Error::other(format!("{e:?}")))?,
            1 => wire.send(pool, 2, &[Arg::Int(1 << 16)])?,
            2 => wire.send(pool, 1, &[])?,
            _ => {
                wire.send(role, 0, &[])?;
                if !step() {
                    return Ok(());
                }
                wire.send(b, 0, &[])?;
                if !step() {
                    return Ok(());
                }
                wire.send(child, 0, &[])?;
            }
        }
    }
    Ok(())
}

#[test]
fn clients_that_end_at_any_point_leave_nothing() {
    let mut scene = Scene::new("enforce");
    for round in 0..3 {
        for steps in 1..50 {
            let mut wire = Wire::connect(&scene.nested.socket());
            go(&mut wire, steps).unwrap();
            if round > 0 {
                wire.roundtrip().unwrap();
            }
        }
        scene.is_as_before();
    }
}

#[test]
fn what_is_destroyed_or_grows_while_it_shows_goes_on_showing() {
    let mut scene = Scene::new("enforce");
    let mut artist = scene.client();
    let window = artist.window((90, 80)).surface;
    for n in 1..120_u64 {
        let buffer = artist.buffer((90, 80), Format::Xrgb8888, n as u32);
        artist.show(&window, &buffer);
        match n % 3 {
            0 => buffer.destroy(),
            1 => {
                ftruncate(&artist.memory, ROOM + 4096 * n).unwrap();
                artist.pool.resize((ROOM + 4096 * n) as i32);
            }
            _ => {
                // The pool goes, its buffers stay.
                let (shm, size) = (artist.shm.clone(), (ROOM + 4096 * n) as i32);
                ftruncate(&artist.memory, size as u64).unwrap();
                let memory = artist.memory.try_clone().unwrap();
                let pool = artist.raw.pool(&shm, &memory, size);
                std::mem::replace(&mut artist.pool, pool).destroy();
            }
        }
        window.damage(0, 0, 20, 20);
        window.commit();
    }
    let (child, _role) = artist.child(&window, (5, 5));
    let small = artist.buffer((9, 9), Format::Argb8888, 5);
    artist.commit(&child, &small);
    window.commit();
    artist.raw.roundtrip().unwrap();
    child.destroy();
    window.destroy();
    scene.goes_on();
    drop(artist);
    scene.is_as_before();
}

#[test]
fn more_than_a_host_is_shown_is_drawn() {
    let mut scene = Scene::new("enforce");
    // Buffers.
    let mut artist = scene.client();
    let window = artist.window((90, 80)).surface;
    let buffers: Vec<WlBuffer> = (0..10_000).map(|_| artist.unpainted((4, 4), Format::Xrgb8888)).collect();
    for buffer in &buffers {
        artist.commit(&window, buffer);
        artist.raw.roundtrip().unwrap();
    }
    artist.show(&window, &buffers[9_999]);
    drop((artist, buffers));
    scene.is_as_before();
    // Pools: from the 257th on there are too many.
    let mut artist = scene.client();
    let window = artist.window((90, 80)).surface;
    let mut paths = Vec::new();
    for n in 0..400 {
        let (shm, memory) = (artist.shm.clone(), memfd(1 << 16, Some(SealFlags::SHRINK | SealFlags::SEAL)));
        let pool = artist.raw.pool(&shm, &memory, 1 << 16);
        let buffer = artist.raw.buffer(&pool, 50, 50);
        artist.show(&window, &buffer);
        paths.push((n, artist.path(&buffer).unwrap().0));
    }
    let forwarded = paths.iter().filter(|(_, path)| *path == Path::Forwarded).count();
    assert_eq!(forwarded, 256, "{paths:?}");
    drop(artist);
    scene.is_as_before();
    // Subsurfaces.
    let mut artist = scene.client();
    let window = artist.window((90, 80)).surface;
    let buffer = artist.buffer((90, 80), Format::Xrgb8888, 3);
    artist.show(&window, &buffer);
    let small = artist.buffer((4, 4), Format::Argb8888, 4);
    for n in 0..5000 {
        let (child, _role) = artist.child(&window, (n % 90, n / 90));
        artist.commit(&child, &small);
        // It may be ended for keeping everybody busy.
        if n % 100 == 99 && artist.raw.roundtrip().is_err() {
            break;
        }
    }
    let _ = artist.raw.present(&window, &buffer);
    scene.goes_on();
    drop(artist);
    scene.is_as_before();
}

#[test]
fn a_flood_drowns_nobody() {
    let mut scene = Scene::new("enforce");
    let mut artist = scene.client();
    let window = artist.window((90, 80)).surface;
    let buffers: Vec<WlBuffer> = (1..3).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
    for n in 0..20_000 {
        artist.commit(&window, &buffers[n % 2]);
        if n % 500 == 0 {
            artist.raw.flush().unwrap();
            scene.bystander.goes_on();
        }
    }
    artist.show(&window, &buffers[0]);
    drop(artist);
    scene.is_as_before();
}

/// Commits go on when they come, whether or not the host has answered those before; but only so many.
#[test]
fn a_commit_is_not_kept_until_the_host_asks_for_it() {
    let mock = Mock::start();
    let nested = Host::selkie_at(&mock.socket, &["--size", "400x300"]);
    let mut artist = Artist::connect(&nested.socket());
    let window = artist.window((90, 80)).surface;
    let buffers: Vec<WlBuffer> = (1..3).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
    for n in 0..10 {
        artist.commit(&window, &buffers[n % 2]);
        artist.raw.roundtrip().unwrap();
        mock.until("the commit", |seen| seen.attached == n + 1);
    }
    // Nothing was answered, nothing was given back.
    assert!(mock.seen().asked > 0 && artist.raw.of(&buffers[0]).is_empty());
    for n in 0..500 {
        artist.commit(&window, &buffers[n % 2]);
        artist.raw.roundtrip().unwrap();
    }
    let full = mock.until("as much as a host is sent", |seen| seen.frames == 32);
    // An answer, and what came last goes on.
    mock.order(Order::Frame);
    mock.until("the last commit", |seen| seen.attached > full.attached);
    mock.order(Order::Behave);
    artist.show(&window, &buffers[0]);
}

/// A host that gives buffers back late, or never.
#[test]
fn a_host_may_keep_what_it_was_given() {
    let mock = Mock::start();
    let nested = Host::selkie_at(&mock.socket, &["--size", "400x300"]);
    let strangers = || {
        let targets = Counters::fd_targets(nested.process.pid());
        targets.iter().filter(|target| target.contains("selkie-test")).count()
    };
    let empty = mock.until("the first picture", |seen| seen.frames == 1).live;
    for kept in [false, true] {
        let mut artist = Artist::connect(&nested.socket());
        let window = artist.window((90, 80)).surface;
        let buffers: Vec<WlBuffer> = (0..20).map(|n| artist.buffer((90, 80), Format::Xrgb8888, n)).collect();
        for (n, buffer) in buffers.iter().enumerate() {
            let callback = window.frame(&artist.raw.qh(), ());
            let attached = mock.seen().attached;
            artist.commit(&window, buffer);
            artist.raw.flush().unwrap();
            mock.until("the commit", |seen| seen.attached > attached);
            mock.order(Order::Frame);
            artist.raw.wait_for(&callback, 1).unwrap();
            assert!(artist.raw.of(&buffers[n.saturating_sub(1)]).is_empty(), "the host has it still");
        }
        if !kept {
            mock.order(Order::Release);
            for buffer in &buffers[..19] {
                artist.raw.wait_for(buffer, 1).unwrap();
            }
        }
        // What is destroyed is not waited for.
        buffers[3].destroy();
        artist.raw.roundtrip().unwrap();
        drop((artist, buffers));
        mock.until("all to go at the host", |seen| seen.live == empty);
        eventually(
            "all to go here",
            || if strangers() == 0 { Ok(()) } else { Err("there is a pool".into()) },
        );
        mock.order(Order::Release);
        mock.order(Order::Frame);
    }
    mock.order(Order::Behave);
    drop(Witness::new(&nested.socket()));
}
