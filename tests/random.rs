//! Random sequences of requests, right and wrong ones, against one compositor. Whatever they are, it goes
//! on: it neither ends nor hangs nor keeps anything of a client that is gone.
//!
//! `PROPTEST_CASES` says how many sequences; a failing one is shrunk and printed.

#![allow(clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use rustix::fs::{FallocateFlags, SealFlags};
use support::raw::{Ended, memfd};
use support::wire::{Arg, Wire};
use support::{Counters, Host, Witness, eventually};

/// What an argument of a request is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A number, now and then a strange one.
    Number,
    /// A number like that in 256ths.
    Fixed,
    /// A number of KiB, in bytes.
    Kilobytes,
    /// One of that many, counted from 0.
    Of(i32),
    /// A serial: they are counted from the start.
    Serial,
    /// An object of that interface.
    Object(&'static str),
    /// The same, or none.
    Maybe(&'static str),
    /// A new object.
    New(&'static str),
    Text,
}
use Kind::{Fixed, Kilobytes, Maybe, New, Number, Object, Of, Serial, Text};

/// Requests: how often, the interface, the opcode, the arguments. See wayland.xml and the others.
const REQUESTS: &[(u32, &str, u16, &[Kind])] = &[
    (2, "wl_compositor", 0, &[New("wl_surface")]),
    (2, "wl_compositor", 1, &[New("wl_region")]),
    (2, "wl_shm_pool", 2, &[Kilobytes]),
    (8, "wl_surface", 1, &[Maybe("wl_buffer"), Of(1), Of(1)]),
    (1, "wl_surface", 1, &[Maybe("wl_buffer"), Number, Number]),
    (6, "wl_surface", 2, &[Number, Number, Number, Number]),
    (4, "wl_surface", 3, &[New("wl_callback")]),
    (2, "wl_surface", 4, &[Maybe("wl_region")]),
    (2, "wl_surface", 5, &[Maybe("wl_region")]),
    (16, "wl_surface", 6, &[]),
    (3, "wl_surface", 7, &[Of(8)]),
    (2, "wl_surface", 8, &[Of(4)]),
    (6, "wl_surface", 9, &[Number, Number, Number, Number]),
    (1, "wl_surface", 10, &[Number, Number]),
    (3, "wl_region", 1, &[Number, Number, Number, Number]),
    (3, "wl_region", 2, &[Number, Number, Number, Number]),
    (1, "wl_subcompositor", 1, &[New("wl_subsurface"), Object("wl_surface"), Object("wl_surface")]),
    (3, "wl_subsurface", 1, &[Number, Number]),
    (2, "wl_subsurface", 2, &[Object("wl_surface")]),
    (2, "wl_subsurface", 3, &[Object("wl_surface")]),
    (2, "wl_subsurface", 4, &[]),
    (3, "wl_subsurface", 5, &[]),
    (3, "wp_viewporter", 1, &[New("wp_viewport"), Object("wl_surface")]),
    (3, "wp_viewport", 1, &[Fixed, Fixed, Fixed, Fixed]),
    (3, "wp_viewport", 2, &[Number, Number]),
    (3, "wp_presentation", 1, &[Object("wl_surface"), New("wp_presentation_feedback")]),
    (2, "selkie_ledger_manager_v1", 1, &[New("selkie_buffer_record_v1"), Object("wl_buffer")]),
    (2, "xdg_wm_base", 1, &[New("xdg_positioner")]),
    (1, "xdg_wm_base", 2, &[New("xdg_surface"), Object("wl_surface")]),
    (1, "xdg_wm_base", 3, &[Serial]),
    (3, "xdg_positioner", 1, &[Number, Number]),
    (3, "xdg_positioner", 2, &[Number, Number, Number, Number]),
    (1, "xdg_positioner", 3, &[Of(9)]),
    (1, "xdg_positioner", 4, &[Of(9)]),
    (1, "xdg_positioner", 5, &[Of(64)]),
    (1, "xdg_positioner", 6, &[Number, Number]),
    (1, "xdg_surface", 1, &[New("xdg_toplevel")]),
    (2, "xdg_surface", 2, &[New("xdg_popup"), Maybe("xdg_surface"), Object("xdg_positioner")]),
    (2, "xdg_surface", 3, &[Number, Number, Number, Number]),
    (1, "xdg_toplevel", 1, &[Maybe("xdg_toplevel")]),
    (1, "xdg_toplevel", 2, &[Text]),
    (1, "xdg_toplevel", 5, &[Object("wl_seat"), Serial]),
    (1, "xdg_toplevel", 6, &[Object("wl_seat"), Serial, Of(11)]),
    (1, "xdg_toplevel", 7, &[Number, Number]),
    (1, "xdg_toplevel", 8, &[Number, Number]),
    (2, "xdg_toplevel", 9, &[]),
    (2, "xdg_toplevel", 10, &[]),
    (2, "xdg_toplevel", 11, &[Maybe("wl_output")]),
    (2, "xdg_toplevel", 12, &[]),
    (2, "xdg_toplevel", 13, &[]),
    (1, "xdg_popup", 1, &[Object("wl_seat"), Serial]),
    (1, "xdg_popup", 2, &[Object("xdg_positioner"), Serial]),
    (2, "wl_seat", 0, &[New("wl_pointer")]),
    (2, "wl_seat", 1, &[New("wl_keyboard")]),
    (2, "wl_pointer", 0, &[Serial, Maybe("wl_surface"), Number, Number]),
    (2, "wl_data_device_manager", 0, &[New("wl_data_source")]),
    (2, "wl_data_device_manager", 1, &[New("wl_data_device"), Object("wl_seat")]),
    (2, "wl_data_source", 0, &[Text]),
    (1, "wl_data_source", 2, &[Of(8)]),
    (1, "wl_data_device", 0, &[Maybe("wl_data_source"), Object("wl_surface"), Maybe("wl_surface"), Serial]),
    (1, "wl_data_device", 1, &[Maybe("wl_data_source"), Serial]),
    // Destructors.
    (1, "wl_shm_pool", 1, &[]),
    (3, "wl_buffer", 0, &[]),
    (2, "wl_surface", 0, &[]),
    (2, "wl_region", 0, &[]),
    (2, "wl_subsurface", 0, &[]),
    (2, "wp_viewport", 0, &[]),
    (1, "xdg_positioner", 0, &[]),
    (1, "xdg_surface", 0, &[]),
    (2, "xdg_toplevel", 0, &[]),
    (1, "xdg_popup", 0, &[]),
    (1, "wl_pointer", 1, &[]),
    (1, "wl_keyboard", 0, &[]),
    (1, "wl_data_source", 1, &[]),
    (1, "wl_data_device", 2, &[]),
    (1, "selkie_buffer_record_v1", 0, &[]),
];

/// Where the destructors begin.
const DESTRUCTORS: usize = REQUESTS.len() - 15;

/// One thing that a client does.
#[derive(Debug, Clone)]
enum Op {
    /// One of the requests above, with numbers to make arguments of and to choose objects by.
    #[expect(dead_code, reason = "the names are for whoever reads a sequence that failed")]
    Request {
        interface: &'static str,
        opcode: u16,
        which: usize,
        object: u8,
        values: Vec<(i32, u8)>,
    },
    /// New memory of a kind and a size, and a pool that claims a size.
    Pool {
        memory: Memory,
        size: u64,
        claim: i32,
    },
    /// Offset, width, height, stride.
    Buffer {
        pool: u8,
        layout: [i32; 4],
        format: u32,
    },
    /// What another process could do, too.
    Truncate {
        memory: u8,
        size: u64,
    },
    Punch {
        memory: u8,
    },
    /// A surface, a window, its configure and its ack.
    Window,
    /// A surface below another.
    Child {
        parent: u8,
    },
    /// A whole frame of a surface, with `wl_surface.get_release` or without.
    Show {
        surface: u8,
        buffer: u8,
        release: bool,
    },
    /// An ack of the last configure.
    Ack {
        xdg_surface: u8,
    },
    /// A request to an object that is not there (any more).
    Dead {
        object: u32,
        opcode: u16,
    },
    Sync,
    /// Bytes that need not be messages, and a new connection.
    Garbage(Vec<u8>),
    /// A new connection, the old one being left as it is.
    Reconnect,
}

#[derive(Debug, Clone, Copy)]
enum Memory {
    Sealed,
    Open,
    Never,
    Pipe,
}

/// A number that a request could have, and now and then one that it should not.
fn number() -> impl Strategy<Value = i32> {
    prop_oneof![
        60 => 1..80_i32,
        6 => -80..1_i32,
        1 => prop_oneof![Just(i32::MAX), Just(i32::MIN), Just(-1), Just(1 << 16), any::<i32>()],
    ]
}

fn request() -> impl Strategy<Value = Op> {
    let weighted = REQUESTS.iter().enumerate().map(|(which, request)| (request.0, Just(which)));
    let which = proptest::strategy::Union::new_weighted(weighted.collect());
    (which, any::<u8>(), vec((number(), any::<u8>()), 4)).prop_map(|(which, object, values)| {
        let (_, interface, opcode, _) = REQUESTS[which];
        Op::Request { interface, opcode, which, object, values }
    })
}

fn op() -> impl Strategy<Value = Op> {
    let pick = any::<u8>;
    let memory = prop_oneof![
        12 => Just(Memory::Sealed), 8 => Just(Memory::Open), 20 => Just(Memory::Never), 1 => Just(Memory::Pipe)
    ];
    let size = prop_oneof![16 => Just(1_u64 << 16), 1 => 0..1_u64 << 17];
    let claim = prop_oneof![32 => Just(1 << 14), 8 => 1..1 << 16, 1 => number()];
    // Mostly one that fits: a stride that follows from the width.
    let fits = (0..64_i32, 1..64_i32, 1..48_i32).prop_map(|(offset, w, h)| [offset * 4, w, h, w * 4]);
    let layout = prop_oneof![40 => fits, 1 => [number(), number(), number(), number()]];
    let format = prop_oneof![40 => 0..2_u32, 1 => any::<u32>()];
    prop_oneof![
        120 => request(),
        6 => (memory, size, claim).prop_map(|(memory, size, claim)| Op::Pool { memory, size, claim }),
        8 => (pick(), layout, format).prop_map(|(pool, layout, format)| Op::Buffer { pool, layout, format }),
        3 => (pick(), prop_oneof![3 => 0..1_u64 << 13, 1 => 0..1_u64 << 17])
            .prop_map(|(memory, size)| Op::Truncate { memory, size }),
        1 => pick().prop_map(|memory| Op::Punch { memory }),
        6 => Just(Op::Window),
        5 => pick().prop_map(|parent| Op::Child { parent }),
        30 => (pick(), pick(), any::<bool>())
            .prop_map(|(surface, buffer, release)| Op::Show { surface, buffer, release }),
        4 => pick().prop_map(|xdg_surface| Op::Ack { xdg_surface }),
        1 => (0..200_u32, 0..12_u16).prop_map(|(object, opcode)| Op::Dead { object, opcode }),
        10 => Just(Op::Sync),
        1 => vec(any::<u8>(), 0..64).prop_map(Op::Garbage),
        1 => Just(Op::Reconnect),
    ]
}

const GLOBALS: [&str; 10] = [
    "wl_shm",
    "wl_compositor",
    "wl_subcompositor",
    "wp_viewporter",
    "wp_presentation",
    "selkie_ledger_manager_v1",
    "xdg_wm_base",
    "wl_seat",
    "wl_data_device_manager",
    "wl_output",
];

/// Why nothing more, or nothing, was sent.
enum Stop {
    /// There is no such object now.
    Skip,
    /// The connection is over.
    Over,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Over
    }
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        Self::Over
    }
}

/// A client that does what it is told.
struct Client {
    socket: PathBuf,
    wire: Wire,
    /// The objects that are there, by interface. Some go by themselves; their interfaces are not in the
    /// table.
    objects: Vec<(&'static str, u32)>,
    memory: Vec<OwnedFd>,
    /// The last configure of each xdg_surface.
    serials: Vec<(u32, u32)>,
}

impl Client {
    fn new(socket: &Path) -> Self {
        let mut wire = Wire::connect(socket);
        let objects = GLOBALS.map(|interface| (interface, wire.bind(interface, 7)));
        let socket = socket.to_owned();
        Self { socket, wire, objects: objects.to_vec(), memory: Vec::new(), serials: Vec::new() }
    }

    fn pick(&self, interface: &str, pick: u8) -> Result<u32, Stop> {
        let all: Vec<u32> =
            self.objects.iter().filter(|object| object.0 == interface).map(|object| object.1).collect();
        all.get(usize::from(pick) % all.len().max(1)).copied().ok_or(Stop::Skip)
    }

    fn global(&self, interface: &str) -> u32 {
        self.pick(interface, 0).unwrap_or_else(|_| panic!("{interface} was bound"))
    }

    fn make(
        &mut self,
        interface: &'static str,
        object: u32,
        opcode: u16,
        rest: &[Arg<'_>],
    ) -> Result<u32, Stop> {
        let id = self.wire.create(interface, object, opcode, rest)?;
        self.objects.push((interface, id));
        Ok(id)
    }

    /// Takes note of what was answered.
    fn sync(&mut self) -> Result<(), Stop> {
        for event in self.wire.roundtrip()? {
            if event.opcode == 0 && self.objects.contains(&("xdg_surface", event.object)) {
                self.serials.retain(|(id, _)| *id != event.object);
                self.serials.push((event.object, event.word(0)));
            }
        }
        Ok(())
    }

    fn ack(&mut self, xdg_surface: u32) -> Result<(), Stop> {
        let serial = self.serials.iter().find(|(id, _)| *id == xdg_surface).ok_or(Stop::Skip)?.1;
        // It can be acked once.
        self.serials.retain(|(id, _)| *id != xdg_surface);
        Ok(self.wire.send(xdg_surface, 4, &[Arg::Uint(serial)])?)
    }

    fn request(&mut self, which: usize, object: u8, values: &[(i32, u8)]) -> Result<(), Stop> {
        let (_, interface, opcode, kinds) = REQUESTS[which];
        let object = self.pick(interface, object)?;
        let mut made = None;
        let mut args = Vec::new();
        for (kind, (n, pick)) in kinds.iter().zip(values) {
            args.push(match kind {
                Number => Arg::Int(*n),
                Fixed => Arg::Int(n.saturating_mul(200)),
                Kilobytes => Arg::Int(n.saturating_mul(1024)),
                // Rarely one too many.
                Of(count) => Arg::Int(if *pick == 255 { *count } else { i32::from(*pick) % count }),
                Serial => Arg::Uint(n.unsigned_abs()),
                Object(interface) => Arg::Uint(self.pick(interface, *pick)?),
                Maybe(_) if n % 8 == 0 => Arg::Uint(0),
                Maybe(interface) => Arg::Uint(self.pick(interface, *pick)?),
                New(interface) => {
                    let id = self.wire.new_id(interface);
                    made = Some((*interface, id));
                    Arg::Uint(id)
                }
                Text => Arg::Str("text/plain"),
            });
        }
        if which >= DESTRUCTORS {
            self.objects.retain(|(_, id)| *id != object);
        }
        self.objects.extend(made);
        Ok(self.wire.send(object, opcode, &args)?)
    }

    fn act(&mut self, op: &Op) -> Result<(), Stop> {
        match op {
            Op::Request { which, object, values, .. } => self.request(*which, *object, values)?,
            Op::Pool { memory, size, claim } => {
                let fd = match memory {
                    Memory::Sealed => memfd(*size, Some(SealFlags::SHRINK)),
                    Memory::Open => memfd(*size, Some(SealFlags::empty())),
                    Memory::Never => memfd(*size, None),
                    Memory::Pipe => rustix::pipe::pipe().map_err(io::Error::from)?.0,
                };
                let pool = self.wire.pool(self.global("wl_shm"), fd.as_fd(), *claim)?;
                self.memory.push(fd);
                self.objects.push(("wl_shm_pool", pool));
            }
            Op::Buffer { pool, layout, format } => {
                let pool = self.pick("wl_shm_pool", *pool)?;
                let args: Vec<_> = layout.iter().copied().map(Arg::Int).chain([Arg::Uint(*format)]).collect();
                self.make("wl_buffer", pool, 0, &args)?;
            }
            // Seals may forbid these two.
            Op::Truncate { memory, size } => drop(rustix::fs::ftruncate(self.memory(*memory)?, *size)),
            Op::Punch { memory } => {
                let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let _ = rustix::fs::fallocate(self.memory(*memory)?, hole, 0, 1 << 17);
            }
            Op::Window => {
                let surface = self.make("wl_surface", self.global("wl_compositor"), 0, &[])?;
                let xdg = self.make("xdg_surface", self.global("xdg_wm_base"), 2, &[Arg::Uint(surface)])?;
                self.make("xdg_toplevel", xdg, 1, &[])?;
                self.wire.send(surface, 6, &[])?;
                self.sync()?;
                self.ack(xdg)?;
            }
            Op::Child { parent } => {
                let parent = Arg::Uint(self.pick("wl_surface", *parent)?);
                let child = Arg::Uint(self.make("wl_surface", self.global("wl_compositor"), 0, &[])?);
                self.make("wl_subsurface", self.global("wl_subcompositor"), 1, &[child, parent])?;
            }
            Op::Show { surface, buffer, release } => {
                let surface = self.pick("wl_surface", *surface)?;
                let buffer = Arg::Uint(self.pick("wl_buffer", *buffer)?);
                self.wire.send(surface, 1, &[buffer, Arg::Int(0), Arg::Int(0)])?;
                self.wire.send(surface, 2, &[0, 0, 99, 99].map(Arg::Int))?;
                if *release && self.wire.globals["wl_compositor"].1 >= 7 {
                    self.wire.create("wl_callback", surface, 11, &[])?;
                }
                self.wire.send(surface, 6, &[])?;
            }
            Op::Ack { xdg_surface } => self.ack(self.pick("xdg_surface", *xdg_surface)?)?,
            Op::Dead { object, opcode } => {
                if *object < 3 || self.objects.iter().any(|(_, id)| id == object) {
                    return Err(Stop::Skip);
                }
                self.wire.send(*object, *opcode, &[])?;
            }
            Op::Sync => self.sync()?,
            Op::Garbage(bytes) => {
                self.wire.stream.write_all(bytes)?;
                return Err(Stop::Over);
            }
            Op::Reconnect => return Err(Stop::Over),
        }
        Ok(())
    }

    fn memory(&self, pick: u8) -> Result<&OwnedFd, Stop> {
        self.memory.get(usize::from(pick) % self.memory.len().max(1)).ok_or(Stop::Skip)
    }

    /// Does them all; after an error it connects anew and goes on with the rest.
    fn act_all(mut self, ops: &[Op]) {
        for op in ops {
            if let Err(Stop::Over) = self.act(op) {
                self = Self::new(&self.socket);
            }
        }
        // Whatever is still on its way has its effect before the connection ends.
        let _ = self.sync();
    }
}

/// A compositor, somebody else in it, and what it has open without the client.
struct Scene {
    host: Host,
    bystander: Witness,
    open: Vec<String>,
}

impl Scene {
    fn new(policy: &str) -> Self {
        let host = Host::selkie(&["--policy", policy, "--refresh", "0", "--size", "200x150"]);
        let bystander = Witness::new(&host.socket());
        let open = Counters::fd_targets(host.process.pid());
        Self { host, bystander, open }
    }

    fn goes_on(&mut self) {
        self.host.process.assert_alive();
        self.bystander.goes_on();
        eventually("the fds to be closed", || {
            let (open, before) = (Counters::fd_targets(self.host.process.pid()), &self.open);
            if open == *before { Ok(()) } else { Err(format!("open are {open:?}, and were {before:?}")) }
        });
    }
}

fn goes_on_whatever_comes(policy: &str) {
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        source_file: Some(file!()),
        max_shrink_iters: 300,
        ..Config::default()
    };
    // One for all sequences, and a new one after each that fails.
    let scene = RefCell::new(None);
    let outcome = TestRunner::new(config).run(&vec(op(), 1..200), |ops| {
        let mut now = scene.take().unwrap_or_else(|| Scene::new(policy));
        Client::new(&now.host.socket()).act_all(&ops);
        now.goes_on();
        scene.replace(Some(now));
        Ok(())
    });
    if let Err(e) = outcome {
        panic!("{e}");
    }
    let log = scene.take().map(|scene| scene.host.process.log()).unwrap_or_default();
    for word in ["bug in selkie", "panicked"] {
        assert_eq!(log.lines().find(|line| line.contains(word)), None);
    }
}

#[test]
fn under_guard() {
    goes_on_whatever_comes("guard");
}

#[test]
fn under_copy() {
    goes_on_whatever_comes("copy");
}
