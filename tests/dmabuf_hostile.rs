//! Clients that send dma-bufs as they should not: each is ended with the exact error, nobody else notices, and nothing of
//! theirs is left.

#![deny(unsafe_code)]
#![allow(clippy::unwrap_used)]

mod support;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    Flags, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dmabuf::DmaBuf;
use support::dmabuf::{self, Fenced, IMPLICIT, LINEAR, fourcc, udmabuf};
use support::raw::{Ended, Raw, memfd};
use support::{Counters, Host, Witness, eventually, require_devices, require_fences};

const XR24: u32 = fourcc(b"XR24");
const NV12: u32 = fourcc(b"NV12");

/// A compositor, somebody who minds their own business in it, and the descriptors that it has open with no other client.
struct Scene {
    host: Host,
    witness: Witness,
    open: Vec<String>,
}

/// What a compositor has open for good or because of a client: the mount table is opened when it is first needed, and kept.
fn open(host: &Host) -> Vec<String> {
    let mut open = Counters::fd_targets(host.process.pid());
    open.retain(|target| !target.ends_with("/mountinfo"));
    open
}

impl Scene {
    fn new() -> Self {
        let host = Host::selkie(&["--refresh", "0", "--dmabuf", "on"]);
        let witness = Witness::new(&host.socket());
        let open = open(&host);
        Self { host, witness, open }
    }

    fn client(&self) -> (Raw, ZwpLinuxDmabufV1) {
        let mut raw = Raw::connect(&self.host.socket());
        let global = raw.bind(5);
        (raw, global)
    }

    /// All is as it was before the hostile client came.
    fn is_unharmed(&mut self, what: &str) {
        self.witness.goes_on();
        eventually("the descriptors to be those from before", || {
            let open = open(&self.host);
            if open == self.open { Ok(()) } else { Err(format!("{what}: {open:?}, not {:?}", self.open)) }
        });
    }
}

/// What a hostile client says with parameters of which plane 0 has been added: 16x16 XRGB8888, which is all right.
type Act = fn(&mut Raw, &ZwpLinuxBufferParamsV1, &DmaBuf);

/// Adds a plane.
fn add(
    params: &ZwpLinuxBufferParamsV1,
    dmabuf: &DmaBuf,
    plane: u32,
    offset: u32,
    stride: u32,
    modifier: u64,
) {
    params.add(dmabuf.fd(), plane, offset, stride, (modifier >> 32) as u32, modifier as u32);
}

fn immed(raw: &mut Raw, params: &ZwpLinuxBufferParamsV1, width: i32, height: i32, format: u32) {
    let buffer = params.create_immed(width, height, format, Flags::empty(), &raw.qh(), ());
    raw.note(buffer);
}

#[test]
fn each_mistake_with_a_dmabuf_has_its_error() {
    require_devices!("/dev/udmabuf");
    let mut scene = Scene::new();
    let cases: [(&str, u32, Act); 16] = [
        ("these parameters have made a buffer already: they can only be destroyed", 0, |raw, params, _| {
            immed(raw, params, 16, 16, XR24);
            immed(raw, params, 16, 16, XR24);
        }),
        (
            "these parameters have made a buffer already: they can only be destroyed",
            0,
            |raw, params, memory| {
                immed(raw, params, 16, 16, XR24);
                add(params, memory, 1, 0, 64, LINEAR);
            },
        ),
        ("there is no plane 4: at most 4, counted from 0", 1, |_, params, memory| {
            add(params, memory, 4, 0, 64, LINEAR);
        }),
        ("plane 0 was added before", 2, |_, params, memory| add(params, memory, 0, 0, 64, LINEAR)),
        ("2 planes were added, but there is no plane 1", 3, |raw, params, memory| {
            add(params, memory, 2, 0, 64, LINEAR);
            immed(raw, params, 16, 16, NV12);
        }),
        ("NV12 has 2 planes, not 1", 3, |raw, params, _| immed(raw, params, 16, 16, NV12)),
        ("XR24 has 1 planes, not 2", 3, |raw, params, memory| {
            add(params, memory, 1, 0, 64, LINEAR);
            immed(raw, params, 16, 16, XR24);
        }),
        ("plane 1 is implicit, the ones before are linear", 4, |_, params, memory| {
            add(params, memory, 1, 0, 64, IMPLICIT);
        }),
        ("R8  , linear was not offered", 4, |raw, params, _| immed(raw, params, 16, 16, fourcc(b"R8  "))),
        ("a buffer of 0x16 pixels: width and height must be at least 1", 5, |raw, params, _| {
            immed(raw, params, 0, 16, XR24);
        }),
        ("a buffer of 16x-1 pixels: width and height must be at least 1", 5, |_, params, _| {
            params.create(16, -1, XR24, Flags::empty());
        }),
        ("plane 0: stride 64 is too small: a row of XR24 takes 68 bytes", 6, |raw, params, _| {
            immed(raw, params, 17, 16, XR24);
        }),
        ("plane 0 ends at byte 4160, but its dma-buf has 4096", 6, |raw, params, _| {
            immed(raw, params, 16, 65, XR24);
        }),
        ("plane 0 ends at byte 137438953408, but its dma-buf has 4096", 6, |_, params, _| {
            params.create(1, i32::MAX, XR24, Flags::empty());
        }),
        ("plane 1 ends at byte 4128, but its dma-buf has 4096", 6, |raw, params, memory| {
            // 8 rows of chroma, of which the last two are beyond the end.
            add(params, memory, 1, 4000, 16, LINEAR);
            immed(raw, params, 16, 16, NV12);
        }),
        ("plane 1 ends at byte 34359738360, but its dma-buf has 4096", 6, |raw, params, memory| {
            add(params, memory, 1, 0, u32::MAX, LINEAR);
            immed(raw, params, 16, 16, NV12);
        }),
    ];
    for (message, code, act) in cases {
        let memory = udmabuf(&[0; 4096]);
        let (mut raw, global) = scene.client();
        let params = dmabuf::params(&mut raw, &global, &[(memory.fd(), 0, 64)], LINEAR);
        act(&mut raw, &params, &memory);
        let Ended::Error { interface, code: got, message: said, .. } = raw.ended() else {
            panic!("{message}: the connection was just closed")
        };
        assert_eq!((interface.as_str(), got, said.as_str()), ("zwp_linux_buffer_params_v1", code, message));
        drop(raw);
        scene.is_unharmed(message);
    }
}

/// A dma-buf that nobody may read: a heap gives out what it is asked for. (Its ioctl is not safe to call from here.)
fn write_only() -> DmaBuf {
    const HELPER: &str = r#"
import fcntl, os, socket, struct
heap = os.open("/dev/dma_heap/system", os.O_RDONLY | os.O_CLOEXEC)
form = "=QIIQ"
code = 3 << 30 | struct.calcsize(form) << 16 | ord("H") << 8
_, fd, _, _ = struct.unpack(form, fcntl.ioctl(heap, code, struct.pack(form, 4096, 0, os.O_WRONLY | os.O_CLOEXEC, 0)))
socket.send_fds(socket.socket(fileno=0), [b"k"], [fd])
"#;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut helper = Command::new("python3");
    let helper = helper.args(["-c", HELPER]).stdin(Stdio::from(OwnedFd::from(theirs)));
    assert!(helper.status().unwrap().success());
    let mut received = shm_core::fdpass::recv(&ours, &mut [0], 1).unwrap();
    DmaBuf::new(received.fds.remove(0)).unwrap()
}

#[test]
fn a_dmabuf_that_cannot_be_mapped_fails_when_it_is_made() {
    require_devices!("/dev/dma_heap/system");
    let mut scene = Scene::new();
    let memory = write_only();
    assert!(memory.map().is_err());
    let (mut raw, global) = scene.client();
    let planes = [(memory.fd(), 0, 64)];
    let params = dmabuf::params(&mut raw, &global, &planes, LINEAR);
    assert!(dmabuf::create(&mut raw, &params, (16, 16), XR24, Flags::empty()).unwrap().is_none());
    let params = dmabuf::params(&mut raw, &global, &planes, LINEAR);
    immed(&mut raw, &params, 16, 16, XR24);
    let Ended::Error { interface, code, message, .. } = raw.ended() else { panic!("just closed") };
    assert_eq!((interface.as_str(), code), ("zwp_linux_buffer_params_v1", 7));
    assert!(message.starts_with("the CPU cannot reach this dma-buf"), "{message}");
    drop(raw);
    scene.is_unharmed("not mapped");
}

#[test]
fn what_is_no_dmabuf_is_let_go_of_at_once() {
    let mut scene = Scene::new();
    let (mut raw, global) = scene.client();
    raw.roundtrip().unwrap();
    // The mount table is opened now.
    dmabuf::params(&mut raw, &global, &[(memfd(4096, None).as_fd(), 0, 64)], LINEAR);
    raw.roundtrip().unwrap();
    let before = scene.host.process.counters().fds;
    let file = memfd(4096, None);
    let kept: Vec<_> =
        (0..32).map(|_| dmabuf::params(&mut raw, &global, &[(file.as_fd(), 0, 64)], LINEAR)).collect();
    raw.roundtrip().unwrap();
    eventually("the files to be closed", || {
        let now = scene.host.process.counters().fds;
        if now <= before { Ok(()) } else { Err(format!("{now} descriptors, not {before}")) }
    });
    for params in kept {
        assert!(dmabuf::create(&mut raw, &params, (16, 16), XR24, Flags::empty()).unwrap().is_none());
    }
    drop(raw);
    scene.is_unharmed("no dma-buf");
}

/// A client with a window, and a buffer whose fence is out.
fn waiting(
    scene: &Scene,
) -> (Raw, support::raw::Window, wayland_client::protocol::wl_buffer::WlBuffer, Fenced) {
    let (mut raw, global) = scene.client();
    let window = raw.window().unwrap();
    let (mut fenced, pitch) = Fenced::new(16, 16);
    let buffer = dmabuf::buffer(&mut raw, &global, &fenced.dmabuf, (16, 16, pitch), XR24);
    fenced.attach();
    (raw, window, buffer, fenced)
}

#[test]
fn a_client_that_dies_before_its_dmabuf_is_done_leaves_nothing() {
    require_fences!();
    let mut scene = Scene::new();
    let (mut raw, window, buffer, mut fenced) = waiting(&scene);
    for _ in 0..10 {
        window.surface.attach(Some(&buffer), 0, 0);
        window.surface.damage(0, 0, 16, 16);
        window.surface.commit();
    }
    raw.roundtrip().unwrap();
    scene.witness.goes_on();
    drop(raw);
    scene.is_unharmed("a fence is out");
    fenced.signal();
    scene.witness.goes_on();
}

#[test]
fn commits_that_wait_for_dmabufs_are_not_piled_up_for_ever() {
    require_fences!();
    let mut scene = Scene::new();
    let (mut raw, window, buffer, _fenced) = waiting(&scene);
    for i in 0..1024 {
        window.surface.attach(Some(&buffer), 0, 0);
        window.surface.commit();
        // A client that never pauses is ended for that.
        if i % 16 == 0 {
            raw.roundtrip().unwrap();
        }
    }
    raw.roundtrip().unwrap();
    scene.witness.goes_on();
    window.surface.commit();
    let Ended::Error { interface, code, message, .. } = raw.ended() else { panic!("just closed") };
    let expected = "more than 1024 states of surfaces wait for dma-bufs that are still written";
    assert_eq!((interface.as_str(), code, message.as_str()), ("wl_display", 2, expected));
    drop(raw);
    scene.is_unharmed("too many commits");
}
