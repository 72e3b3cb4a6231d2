//! Requests of every kind and in any order, right ones and wrong ones, over a real socket to a compositor in the same
//! thread.
//!
//! The compositor must not panic. It must read whatever is sent. Somebody else must get an answer. And when the clients
//! are gone, nothing may be left of them: no surface, no window, no pool, no fd.

mod client;
mod wire;

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use rustix::fs::FallocateFlags;
use selkie_compositor::buffer::Policy;
use selkie_compositor::fuzzing::{ByHand, Holdings, Remembered};
use selkie_compositor::geometry::Size;
use selkie_compositor::{Axis, AxisSource, InputEvent, Limits};
use selkie_protocols::wayland_client::backend::protocol::{AllowNull, ArgumentType};
use shm_core::memfd;
use shm_core::seals::Seals;

use crate::memory::{KINDS, some_file};
use crate::numbers::{byte, int, long, pick, uint};
use client::{Arg, Client, Object};

/// A compositor is replaced after so many cases: starting and ending leaves nothing either.
const CASES_PER_COMPOSITOR: usize = 2000;
/// More than a thread that closes files needs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ops of one case; what follows is not looked at.
const MOST_OPS: usize = 400;

/// A compositor, somebody in it who does no harm, and what it holds without anybody else.
struct Scene {
    host: ByHand,
    bystander: Client,
    empty: Holdings,
    fds: usize,
    cases: usize,
}

static FDS: OnceLock<usize> = OnceLock::new();

thread_local! {
    static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) };
}

/// Runs one case.
///
/// # Panics
///
/// For a finding, or where the system lacks something.
pub fn run(data: &[u8]) {
    let mut scene = SCENE.take().filter(|s| s.cases < CASES_PER_COMPOSITOR).unwrap_or_else(Scene::new);
    scene.case(data);
    SCENE.set(Some(scene));
}

fn open_fds() -> usize {
    shm_core::process::open_fds().expect("/proc can be read")
}

impl Scene {
    fn new() -> Self {
        // Small enough to be reached.
        let limits = Limits {
            pools: 32,
            buffers: 64,
            surfaces: 48,
            subsurface_depth: 8,
            touched_bytes: 16 << 20,
            dmabufs: 16,
            captures: 8,
            objects: 2048,
            callbacks: 32,
            unread_bytes: 64 << 10,
            ..Limits::default()
        };
        let mut host = ByHand::start(Size::new(160, 120), limits).expect("a compositor starts");
        let peer = host.connect(Policy::Enforce).expect("sockets");
        let mut bystander = Client::new(peer, &mut host);
        // The table of formats is made for the first who asks, and kept.
        let dmabuf = bystander.find("zwp_linux_dmabuf_v1", 0).expect("it is offered");
        let feedback = bystander.make(dmabuf, "get_default_feedback", Vec::new());
        bystander.call(feedback, "destroy", Vec::new());
        bystander.turn(&mut host);
        let empty = host.holdings();
        let mut scene = Self { host, bystander, empty, fds: 0, cases: 0 };
        // What is opened once and kept, such as the table of mounts, is opened here.
        for kind in 0..KINDS {
            let (file, _) = some_file(&mut Unstructured::new(&[0; 16]), kind);
            let _ = shm_core::verdict::adopt(file.as_fd(), 1);
        }
        // The same for every compositor: one that has ended leaves none.
        scene.fds = *FDS.get_or_init(open_fds);
        scene
    }

    fn case(&mut self, data: &[u8]) {
        let u = &mut Unstructured::new(data);
        let policies = [Policy::Enforce, Policy::Adopt, Policy::Copy, Policy::Guard];
        let choice = byte(u);
        let policy = policies[usize::from(choice & 3)];
        let mut clients = Vec::new();
        // Two can hand data to each other.
        for _ in 0..1 + usize::from(choice & 4 != 0) {
            let peer = self.host.connect(policy).expect("sockets");
            clients.push(Client::new(peer, &mut self.host));
        }
        if choice & 0xf8 == 0xf8 {
            // Nothing but bytes.
            clients[0].raw(u.peek_bytes(u.len()).unwrap_or_default());
            *u = Unstructured::new(&[]);
        }
        for _ in 0..MOST_OPS {
            if u.is_empty() || clients.iter().all(|c| c.is_over) {
                break;
            }
            let op = byte(u);
            let who = if op & 0x80 == 0 { 0 } else { clients.len() - 1 };
            act(u, op & 0x7f, &mut clients[who], &mut self.host);
        }
        for client in &mut clients {
            client.turn(&mut self.host);
        }
        self.answers();
        self.clear(clients);
        self.cases += 1;
    }

    /// Somebody else asks, and must be answered.
    fn answers(&mut self) {
        let display = self.bystander.objects[0];
        let callback = self.bystander.make(display, "sync", Vec::new());
        for _ in 0..100 {
            self.bystander.turn(&mut self.host);
            assert!(!self.bystander.is_over, "the compositor has ended somebody else");
            if self.bystander.objects.iter().all(|o| o.id != callback.id) {
                return;
            }
        }
        panic!("the compositor does not answer somebody else");
    }

    /// The clients go, and nothing is left.
    fn clear(&mut self, clients: Vec<Client>) {
        // Their files and their ends of the sockets are closed here.
        let memories: Vec<Remembered> = clients.into_iter().map(|c| c.peer.memory).collect();
        for button in BUTTONS {
            self.host.input(InputEvent::PointerButton { button, pressed: false, time_us: 0 });
        }
        for event in [InputEvent::PointerFrame, InputEvent::PointerLeave, InputEvent::KeyboardLeave] {
            self.host.input(event);
        }
        let began = Instant::now();
        loop {
            self.host.turn();
            self.bystander.turn(&mut self.host);
            let (holdings, fds) = (self.host.holdings(), open_fds());
            let forgotten = memories.iter().all(|m| m.is_nothing());
            if holdings == self.empty && forgotten && fds == self.fds {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "left of clients that are gone: {holdings:?}, which should be {:?}; {fds} fds instead of {}; \
                 forgotten: {forgotten}",
                self.empty,
                self.fds
            );
            // Files are closed by another thread.
            std::thread::yield_now();
        }
    }
}

/// BTN_LEFT, BTN_RIGHT, BTN_MIDDLE of linux/input-event-codes.h.
const BUTTONS: [u32; 3] = [0x110, 0x111, 0x112];

/// One thing that a client, or whoever sits before it, does.
fn act(u: &mut Unstructured<'_>, op: u8, client: &mut Client, host: &mut ByHand) {
    match op {
        0..=63 => request(u, client),
        64..=71 => show(u, client),
        72..=76 => drop(window(u, client, host)),
        77..=81 => drop(buffer(u, client)),
        82..=85 => pool(u, client),
        86..=88 => popup(u, client, host),
        89..=91 => subsurface(u, client),
        92..=94 => ack(u, client),
        95..=102 => host.input(input(u)),
        103..=106 => tamper(u, client),
        107 => client.raw(&long(u).to_ne_bytes()[..1 + pick(u, 8)]),
        108 => {
            let at = pick(u, 12);
            client.turn_but(host, at);
        }
        109 => {
            let kind = pick(u, KINDS);
            client.attach_fd(some_file(u, kind).0);
        }
        110 => {
            if let Some((name, interface, version)) =
                client.globals.get(pick(u, client.globals.len())).copied()
            {
                client.bind(name, interface, if byte(u) < 240 { version } else { uint(u) });
            }
        }
        111 => {
            client.is_confused = true;
            let stranger = Object { id: uint(u), ..client.objects[0] };
            client.send(stranger, byte(u).into(), vec![Arg::Word(uint(u))]);
        }
        _ => client.turn(host),
    }
    client.send_if_full(host);
}

/// Any request of any object.
fn request(u: &mut Unstructured<'_>, client: &mut Client) {
    let object = client.objects[pick(u, client.objects.len())];
    let requests = object.interface.requests;
    let opcode = pick(u, requests.len());
    let Some(desc) = requests.get(opcode).filter(|r| r.since <= object.version || byte(u) == 255) else {
        return;
    };
    let mut takes = desc.arg_interfaces.iter();
    let mut args = Vec::new();
    for kind in desc.signature {
        args.push(match kind {
            ArgumentType::Int => Arg::from(int(u)),
            ArgumentType::Uint => Arg::Word(unsigned(u, client)),
            ArgumentType::Fixed => Arg::from(int(u).wrapping_mul(if byte(u) < 128 { 256 } else { 1 })),
            ArgumentType::Str(_) => text(u),
            ArgumentType::Object(null) => {
                let interface = takes.next().map_or("", |i| i.name);
                Arg::Word(reference(u, client, interface, *null))
            }
            ArgumentType::NewId => match desc.child_interface {
                Some(interface) if byte(u) < 252 => client.create(interface, object.version).into(),
                _ => {
                    client.is_confused = true;
                    Arg::Word(uint(u))
                }
            },
            ArgumentType::Array => {
                let length = pick(u, 32).min(u.len());
                Arg::Bytes(u.bytes(length).unwrap_or_default().to_vec())
            }
            ArgumentType::Fd => {
                let kind = pick(u, KINDS);
                Arg::Fd(some_file(u, kind).0)
            }
        });
    }
    client.send(object, opcode as u16, args);
}

/// Of an enumeration, a serial, or anything.
fn unsigned(u: &mut Unstructured<'_>, client: &Client) -> u32 {
    let newest = client.serials.len();
    match byte(u) {
        0..=95 => byte(u).into(),
        96..=191 if newest > 0 => client.serials[newest - 1 - pick(u, newest)],
        _ => uint(u),
    }
}

fn text(u: &mut Unstructured<'_>) -> Arg {
    let text: &[u8] = match byte(u) {
        0..=99 => b"text/plain\0",
        100..=179 => b"text/html\0",
        180..=199 => b"\0",
        // None at all.
        200..=209 => b"",
        210..=219 => b"not \xff\xfe UTF-8\0",
        220..=224 => b"no end",
        225..=229 => &[b'x'; 4000],
        _ => b"a \0 within\0",
    };
    Arg::Bytes(text.to_vec())
}

fn reference(u: &mut Unstructured<'_>, client: &Client, interface: &str, null: AllowNull) -> u32 {
    match byte(u) {
        0..=31 if null == AllowNull::Yes => 0,
        252 => 0,
        253 => client.objects[pick(u, client.objects.len())].id,
        254.. => uint(u),
        which => client.find(interface, which.into()).map_or(0, |o| o.id),
    }
}

/// Whatever is there of that interface, by the next byte.
fn find(u: &mut Unstructured<'_>, client: &Client, interface: &str) -> Option<Object> {
    client.find(interface, byte(u).into())
}

/// A frame of a surface.
fn show(u: &mut Unstructured<'_>, client: &mut Client) {
    let Some(surface) = find(u, client, "wl_surface") else { return };
    let shown = match find(u, client, "wl_buffer") {
        Some(buffer) if byte(u) < 224 => Some(buffer),
        Some(_) => None,
        None => buffer(u, client),
    };
    let zero = || Arg::Word(0);
    client.call(surface, "attach", vec![shown.map_or_else(zero, Arg::from), zero(), zero()]);
    let most = || Arg::from(i32::MAX);
    client.call(surface, "damage", vec![zero(), zero(), most(), most()]);
    if byte(u).is_multiple_of(4) {
        client.make(surface, "frame", Vec::new());
    }
    client.call(surface, "commit", Vec::new());
}

/// A small picture in sealed memory, sound in every number.
fn buffer(u: &mut Unstructured<'_>, client: &mut Client) -> Option<Object> {
    let (w, h) = (1 + pick(u, 64) as i32, 1 + pick(u, 64) as i32);
    let offset = pick(u, 32) as i32 * 4;
    let size = offset + w * h * 4;
    let seals = [Seals::SHRINK, Seals::SHRINK | Seals::GROW | Seals::SEAL, Seals::SHRINK | Seals::WRITE];
    let memory = memfd::create("selkie-fuzz", size as u64, Some(seals[pick(u, 3)])).expect("memory");
    let pool = create_pool(client, memory, size)?;
    let [offset, width, height, stride] = [offset, w, h, w * 4].map(Arg::from);
    let format = Arg::Word(u32::from(byte(u)) & 1);
    let made = client.make(pool, "create_buffer", vec![offset, width, height, stride, format]);
    if byte(u) < 128 {
        client.call(pool, "destroy", Vec::new());
    }
    Some(made)
}

/// A pool of any memory with any claim, and a buffer in it.
fn pool(u: &mut Unstructured<'_>, client: &mut Client) {
    let kind = pick(u, KINDS);
    let (file, size) = some_file(u, kind);
    let claim = match byte(u) {
        0..=191 => size as i32,
        192..=223 => (size / 2) as i32,
        _ => int(u),
    };
    let Some(pool) = create_pool(client, file, claim) else { return };
    let (w, h) = (1 + pick(u, 64) as i32, 1 + pick(u, 64) as i32);
    let [offset, width, height, stride] = match byte(u) {
        0..=223 => [pick(u, 64) as i32, w, h, w * 4],
        _ => [int(u), int(u), int(u), int(u)],
    };
    let numbers = [offset, width, height, stride].map(Arg::from);
    let format = Arg::Word(if byte(u) < 240 { u32::from(byte(u)) & 1 } else { uint(u) });
    client.make(pool, "create_buffer", numbers.into_iter().chain([format]).collect());
}

fn create_pool(client: &mut Client, file: OwnedFd, claim: i32) -> Option<Object> {
    let shm = client.find("wl_shm", 0)?;
    if client.memory.len() < 16 {
        client.memory.extend(file.try_clone());
    }
    Some(client.make(shm, "create_pool", vec![Arg::Fd(file), claim.into()]))
}

/// A surface and its `xdg_surface`.
fn shell_surface(client: &mut Client) -> Option<(Object, Object)> {
    let (compositor, base) = (client.find("wl_compositor", 0)?, client.find("xdg_wm_base", 0)?);
    let surface = client.make(compositor, "create_surface", Vec::new());
    let shell = client.make(base, "get_xdg_surface", vec![surface.into()]);
    Some((surface, shell))
}

/// A window that shows.
fn window(u: &mut Unstructured<'_>, client: &mut Client, host: &mut ByHand) -> Option<()> {
    let (surface, shell) = shell_surface(client)?;
    client.make(shell, "get_toplevel", Vec::new());
    map(u, client, host, surface, shell)
}

/// The first commit, the ack of its configure event, and a picture.
fn map(
    u: &mut Unstructured<'_>,
    client: &mut Client,
    host: &mut ByHand,
    surface: Object,
    shell: Object,
) -> Option<()> {
    client.call(surface, "commit", Vec::new());
    client.turn(host);
    let serial = client.configure(shell)?;
    client.call(shell, "ack_configure", vec![Arg::Word(serial)]);
    let picture = buffer(u, client)?;
    client.call(surface, "attach", vec![picture.into(), Arg::Word(0), Arg::Word(0)]);
    client.call(surface, "commit", Vec::new());
    Some(())
}

/// A popup, of whatever there is.
fn popup(u: &mut Unstructured<'_>, client: &mut Client, host: &mut ByHand) {
    let Some(parent) = find(u, client, "xdg_surface") else { return };
    let Some(base) = client.find("xdg_wm_base", 0) else { return };
    let rules = client.make(base, "create_positioner", Vec::new());
    let small = |u: &mut Unstructured<'_>| Arg::from(1 + pick(u, 100) as i32);
    client.call(rules, "set_size", vec![small(u), small(u)]);
    client.call(rules, "set_anchor_rect", vec![small(u), small(u), small(u), small(u)]);
    let of = |u: &mut Unstructured<'_>, count| Arg::Word(pick(u, count) as u32);
    client.call(rules, "set_anchor", vec![of(u, 9)]);
    client.call(rules, "set_gravity", vec![of(u, 9)]);
    client.call(rules, "set_constraint_adjustment", vec![of(u, 64)]);
    let Some((surface, shell)) = shell_surface(client) else { return };
    let popup = client.make(shell, "get_popup", vec![parent.into(), rules.into()]);
    if let (0..=127, Some(seat), Some(serial)) = (byte(u), client.find("wl_seat", 0), client.serials.last()) {
        let serial = Arg::Word(*serial);
        client.call(popup, "grab", vec![seat.into(), serial]);
    }
    let _ = map(u, client, host, surface, shell);
}

/// A surface as a part of another.
fn subsurface(u: &mut Unstructured<'_>, client: &mut Client) {
    let Some(parent) = find(u, client, "wl_surface") else { return };
    let (Some(compositor), Some(subcompositor)) =
        (client.find("wl_compositor", 0), client.find("wl_subcompositor", 0))
    else {
        return;
    };
    let surface = client.make(compositor, "create_surface", Vec::new());
    let sub = client.make(subcompositor, "get_subsurface", vec![surface.into(), parent.into()]);
    if byte(u) < 128 {
        client.call(sub, "set_desync", Vec::new());
    }
    client.call(sub, "set_position", vec![int(u).into(), int(u).into()]);
}

/// The ack of the last configure event of a window.
fn ack(u: &mut Unstructured<'_>, client: &mut Client) {
    let Some(shell) = find(u, client, "xdg_surface") else { return };
    if let Some(serial) = client.configure(shell) {
        client.call(shell, "ack_configure", vec![Arg::Word(serial)]);
    }
}

/// What a person does.
fn input(u: &mut Unstructured<'_>) -> InputEvent {
    let time_us = 0;
    match byte(u) % 8 {
        0..=1 => InputEvent::PointerMotion { x: byte(u).into(), y: f64::from(byte(u)) / 1.5, time_us },
        2 => {
            let (button, pressed) = (BUTTONS[pick(u, 3)], byte(u) < 160);
            InputEvent::PointerButton { button, pressed, time_us }
        }
        3 => InputEvent::PointerFrame,
        4 => {
            // KEY_LEFTALT and KEY_LEFTSHIFT mean something.
            let keys = [56, 42, u32::from(byte(u))];
            InputEvent::Key { key: keys[pick(u, 3)], pressed: byte(u) < 160, time_us }
        }
        5 => InputEvent::KeyboardEnter(vec![u32::from(byte(u)); pick(u, 3)]),
        6 => {
            let axis = Axis { value: int(u).into(), value120: int(u), ..Axis::default() };
            let vertical = Axis { stop: byte(u) < 128, ..Axis::default() };
            let source = (byte(u) < 128).then_some(AxisSource::Wheel);
            InputEvent::PointerAxis { source, horizontal: axis, vertical, time_us }
        }
        _ => [InputEvent::PointerLeave, InputEvent::KeyboardLeave][pick(u, 2)].clone(),
    }
}

/// What becomes of memory after it was sent. Seals may forbid it.
fn tamper(u: &mut Unstructured<'_>, client: &Client) {
    let Some(memory) = client.memory.get(pick(u, client.memory.len())) else { return };
    let _ = match byte(u) % 4 {
        0 => rustix::fs::ftruncate(memory, u64::from(byte(u)) * 512),
        1 => {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(memory, hole, u64::from(byte(u)) * 512, 1 << 16)
        }
        2 => {
            let seals = Seals::from_bits_retain(u32::from(byte(u)) & 0x1f);
            drop(Seals::add(memory, seals));
            Ok(())
        }
        _ => rustix::io::pwrite(memory, &[byte(u); 64], byte(u).into()).map(drop),
    };
}
