//! linux-dmabuf as a client sees it, as far as it goes without a dma-buf; with some, see the end-to-end tests.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self as params, Flags, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::{
    self as feedback, ZwpLinuxDmabufFeedbackV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::{
    self as dmabuf, ZwpLinuxDmabufV1,
};
use shm_core::seals::Seals;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum};

use super::dmabuf_feedback::{DmabufOffer, Pair, Tranche};
use crate::buffer::fourcc::{DrmFormat, IMPLICIT, LINEAR, fourcc_name};
use crate::testing::{Client, Fixture, Seen};

const XR24: u32 = u32::from_le_bytes(*b"XR24");
const NV12: u32 = u32::from_le_bytes(*b"NV12");
/// `I915_FORMAT_MOD_X_TILED`.
const TILED: u64 = 1 << 56 | 1;

fn fixture() -> Fixture {
    Fixture::with(|c| c.dmabuf = Some(true))
}

fn memfd() -> OwnedFd {
    shm_core::memfd::create("test", 4096, Some(Seals::SHRINK)).unwrap()
}

/// A plane of that fd.
fn add(params: &ZwpLinuxBufferParamsV1, fd: BorrowedFd<'_>, plane: u32, stride: u32, modifier: u64) {
    params.add(fd, plane, 0, stride, (modifier >> 32) as u32, modifier as u32);
}

struct Case {
    fixture: Fixture,
    client: Client,
    other: Client,
    params: ZwpLinuxBufferParamsV1,
    fd: OwnedFd,
}

impl Case {
    fn new(version: u32) -> Self {
        let mut fixture = fixture();
        let other = fixture.connect();
        let client = fixture.connect();
        let global: ZwpLinuxDmabufV1 = client.global(version).unwrap();
        let params = global.create_params(&client.qh, ());
        Self { fixture, client, other, params, fd: memfd() }
    }

    fn add(&self, plane: u32, stride: u32, modifier: u64) {
        add(&self.params, self.fd.as_fd(), plane, stride, modifier);
        // The fd is a duplicate that goes out with the next flush.
        self.client.flush();
    }

    fn immed(&self, width: i32, height: i32, format: u32) {
        self.params.create_immed(width, height, format, Flags::empty(), &self.client.qh, ());
    }

    /// The error of the params object; nobody else has one.
    fn error(mut self) -> u32 {
        let (interface, code) = self.fixture.error(&mut self.client);
        assert_eq!(interface, "zwp_linux_buffer_params_v1");
        self.fixture.roundtrip(&mut self.other);
        assert_eq!(self.other.error(), None);
        code
    }
}

#[test]
fn a_plane_there_cannot_be() {
    let case = Case::new(5);
    case.add(4, 4, LINEAR);
    assert_eq!(case.error(), params::Error::PlaneIdx as u32);
}

#[test]
fn a_plane_twice() {
    let case = Case::new(5);
    case.add(1, 4, LINEAR);
    case.add(1, 4, LINEAR);
    assert_eq!(case.error(), params::Error::PlaneSet as u32);
}

#[test]
fn no_planes_a_gap_too_few_and_too_many() {
    let incomplete = params::Error::Incomplete as u32;
    let none = Case::new(5);
    none.immed(1, 1, XR24);
    assert_eq!(none.error(), incomplete);
    for (planes, format) in [(&[1][..], XR24), (&[0, 2], NV12), (&[0], NV12), (&[0, 1], XR24)] {
        let case = Case::new(5);
        planes.iter().for_each(|plane| case.add(*plane, 4, LINEAR));
        case.params.create(1, 1, format, Flags::empty());
        assert_eq!(case.error(), incomplete, "{planes:?}");
    }
}

#[test]
fn planes_that_are_arranged_differently() {
    let case = Case::new(5);
    case.add(0, 4, LINEAR);
    case.add(1, 4, IMPLICIT);
    assert_eq!(case.error(), params::Error::InvalidFormat as u32);
    // Which was no error before.
    let mut case = Case::new(4);
    case.add(0, 4, LINEAR);
    case.add(1, 4, IMPLICIT);
    case.params.create(1, 1, NV12, Flags::empty());
    case.fixture.roundtrip(&mut case.client);
    assert_eq!(case.client.error(), None);
    assert_eq!(case.client.log(), ["failed"]);
}

#[test]
fn what_was_not_offered() {
    let invalid = params::Error::InvalidFormat as u32;
    let never = u32::from_le_bytes(*b"XXXX");
    for (version, format, modifier) in
        [(5, never, LINEAR), (3, never, LINEAR), (1, never, LINEAR), (5, XR24, TILED), (4, XR24, IMPLICIT)]
    {
        let case = Case::new(version);
        case.add(0, 4, modifier);
        case.params.create(1, 1, format, Flags::empty());
        assert_eq!(case.error(), invalid, "{version} {} {modifier:#x}", fourcc_name(format));
    }
}

#[test]
fn no_size_and_rows_that_do_not_fit() {
    for (width, height) in [(0, 1), (1, 0), (-1, 1), (1, i32::MIN)] {
        let case = Case::new(5);
        case.add(0, 4, LINEAR);
        case.immed(width, height, XR24);
        assert_eq!(case.error(), params::Error::InvalidDimensions as u32);
    }
    let case = Case::new(5);
    case.add(0, 39, LINEAR);
    case.immed(10, 10, XR24);
    assert_eq!(case.error(), params::Error::OutOfBounds as u32);
    // 5 pixels have 3 pairs of chroma.
    let case = Case::new(5);
    case.add(0, 5, LINEAR);
    case.add(1, 5, LINEAR);
    case.immed(5, 5, NV12);
    assert_eq!(case.error(), params::Error::OutOfBounds as u32);
}

#[test]
fn parameters_can_be_used_once() {
    let used = params::Error::AlreadyUsed as u32;
    let create = |case: &mut Case| {
        case.add(0, 4, LINEAR);
        case.params.create(1, 1, XR24, Flags::empty());
        case.fixture.roundtrip(&mut case.client);
        assert_eq!(case.client.log(), ["failed"]);
    };
    let mut again = Case::new(5);
    create(&mut again);
    again.immed(1, 1, XR24);
    assert_eq!(again.error(), used);
    let mut added = Case::new(5);
    create(&mut added);
    added.add(1, 4, LINEAR);
    assert_eq!(added.error(), used);
    let mut destroyed = Case::new(5);
    create(&mut destroyed);
    destroyed.params.destroy();
    destroyed.fixture.roundtrip(&mut destroyed.client);
    assert_eq!(destroyed.client.error(), None);
}

#[test]
fn what_is_no_dmabuf_fails_and_is_not_kept() {
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    for fd in [memfd(), reader, socket.into()] {
        let mut case = Case::new(5);
        add(&case.params, fd.as_fd(), 0, 4, LINEAR);
        case.params.create(1, 1, XR24, Flags::empty());
        case.fixture.roundtrip(&mut case.client);
        assert_eq!(case.client.log(), ["failed"]);
        assert_eq!(case.client.error(), None);
        let case = Case::new(5);
        add(&case.params, fd.as_fd(), 0, 4, LINEAR);
        case.immed(1, 1, XR24);
        assert_eq!(case.error(), params::Error::InvalidWlBuffer as u32);
    }
}

#[test]
fn interlaced_pictures_fail() {
    let mut case = Case::new(5);
    case.add(0, 4, LINEAR);
    case.params.create(1, 1, XR24, Flags::Interlaced);
    case.fixture.roundtrip(&mut case.client);
    assert_eq!(case.client.log(), ["failed"]);
}

#[test]
fn old_clients_are_told_in_events() {
    let mut fixture = fixture();
    let mut client = fixture.connect();
    let all: Vec<String> = DrmFormat::all().map(|f| fourcc_name(f.fourcc)).collect();
    for (version, expected) in [
        (1, all.clone()),
        (2, all.clone()),
        (3, all.iter().map(|name| format!("{name} 0x0")).collect()),
        (4, Vec::new()),
        (5, Vec::new()),
    ] {
        let _global: ZwpLinuxDmabufV1 = client.global(version).unwrap();
        fixture.roundtrip(&mut client);
        assert_eq!(client.log(), expected, "version {version}");
    }
    for name in ["AR24", "XR24", "NV12", "P010", "YU12", "YUYV"] {
        assert!(all.iter().any(|n| n == name), "{name}");
    }
}

#[test]
fn there_is_no_global_where_it_is_not_wanted() {
    let mut fixture = Fixture::with(|c| c.dmabuf = Some(false));
    let client = fixture.connect();
    assert!(client.global::<ZwpLinuxDmabufV1>(5).is_none());
}

#[test]
fn the_table_is_sealed_and_has_every_format() {
    let mut fixture = fixture();
    let mut client = fixture.connect();
    let global: ZwpLinuxDmabufV1 = client.global(5).unwrap();
    global.get_default_feedback(&client.qh, ());
    fixture.roundtrip(&mut client);
    let device = fixture.server().dmabufs.device();
    let linear: Vec<Pair> = DrmFormat::all().map(|f| (f.fourcc, LINEAR)).collect();
    let told = client.log();
    assert_eq!(told, ["table", &main(device), &tranche(device, 0, &linear), "done"]);
    let table = client.seen.table.as_ref().unwrap();
    assert_eq!(Seals::of(table).unwrap(), Seals::WRITE | Seals::SHRINK | Seals::GROW | Seals::SEAL);
    let flags = rustix::fs::fcntl_getfl(table).unwrap();
    assert!(!flags.intersects(rustix::fs::OFlags::RDWR | rustix::fs::OFlags::WRONLY));
}

#[test]
fn feedback_is_sent_again_when_something_changes_and_only_then() {
    let mut fixture = fixture();
    let mut client = fixture.connect();
    let global: ZwpLinuxDmabufV1 = client.global(5).unwrap();
    let surface = client.surface();
    global.get_surface_feedback(&surface, &client.qh, ());
    fixture.roundtrip(&mut client);
    let device = fixture.server().dmabufs.device();
    let linear: Vec<Pair> = DrmFormat::all().map(|f| (f.fourcc, LINEAR)).collect();
    let composed = tranche(device, 0, &linear);
    assert_eq!(client.log(), ["table", &main(device), &composed, "done"]);
    let id = fixture.server().surfaces.iter().next().unwrap().0;

    // A host takes what we cannot read, and reads what we can from another device.
    let host = Tranche { device: 77, flags: 0, pairs: vec![(XR24, TILED), (XR24, LINEAR)] };
    let scanout = Tranche { device: 78, flags: 1, pairs: vec![(XR24, TILED)] };
    let offer = DmabufOffer { main_device: 77, tranches: vec![scanout, host] };
    fixture.server().feedback_changed(Some(id), Some(offer.clone()));
    fixture.roundtrip(&mut client);
    let rest: Vec<Pair> = linear.iter().copied().filter(|p| *p != (XR24, LINEAR)).collect();
    let expected = [
        "table".to_owned(),
        main(77),
        tranche(78, 1, &[(XR24, TILED)]),
        tranche(77, 0, &[(XR24, TILED), (XR24, LINEAR)]),
        tranche(77, 0, &rest),
        "done".to_owned(),
    ];
    assert_eq!(client.log(), expected);

    fixture.server().feedback_changed(Some(id), Some(offer.clone()));
    fixture.server().feedback_changed(None, Some(offer.clone()));
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), [""; 0]);
    global.get_default_feedback(&client.qh, ());
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), expected);

    // Of its surface there is nothing more to say.
    surface.destroy();
    fixture.roundtrip(&mut client);
    fixture.server().feedback_changed(None, None);
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["table", &main(device), &composed, "done"]);

    // Who has not heard of it may still ask for it, and is not punished.
    let params = global.create_params(&client.qh, ());
    let fd = memfd();
    add(&params, fd.as_fd(), 0, 4, TILED);
    params.create(1, 1, XR24, Flags::empty());
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["failed"]);
    assert_eq!(client.error(), None);
}

#[test]
fn feedback_that_is_gone_is_not_told() {
    let mut fixture = fixture();
    let mut client = fixture.connect();
    let global: ZwpLinuxDmabufV1 = client.global(4).unwrap();
    let feedback = global.get_default_feedback(&client.qh, ());
    global.destroy();
    fixture.roundtrip(&mut client);
    feedback.destroy();
    client.log();
    fixture.roundtrip(&mut client);
    fixture.server().feedback_changed(None, Some(DmabufOffer { main_device: 1, tranches: Vec::new() }));
    fixture.roundtrip(&mut client);
    assert_eq!((client.log(), client.error()), (Vec::new(), None));
}

/// Without udmabuf there is nothing to test, except where there must be.
fn udmabufs(count: usize) -> Option<Vec<shm_core::dmabuf::DmaBuf>> {
    let device = match shm_core::udmabuf::Udmabuf::open() {
        Ok(device) => device,
        Err(why) => {
            let strict = std::env::var("SELKIE_REQUIRE_DMABUF").is_ok_and(|v| !v.is_empty() && v != "0");
            assert!(!strict, "would be skipped, and SELKIE_REQUIRE_DMABUF is set: {why}");
            eprintln!("SKIPPED: {why}");
            return None;
        }
    };
    Some((0..count).map(|_| device.create(&memfd(), 0, 4096).unwrap()).collect())
}

#[test]
fn dmabufs_are_counted_each_once() {
    let Some(dmabufs) = udmabufs(3) else { return };
    let mut fixture = Fixture::with(|c| {
        c.dmabuf = Some(true);
        c.limits.dmabufs = 2;
    });
    let mut client = fixture.connect();
    let global: ZwpLinuxDmabufV1 = client.global(5).unwrap();
    for dmabuf in [&dmabufs[0], &dmabufs[1], &dmabufs[0], &dmabufs[1]] {
        let params = global.create_params(&client.qh, ());
        add(&params, dmabuf.fd(), 0, 64, LINEAR);
        params.create(16, 16, XR24, Flags::empty());
    }
    fixture.roundtrip(&mut client);
    assert_eq!(client.log(), ["created"; 4]);
    let params = global.create_params(&client.qh, ());
    add(&params, dmabufs[2].fd(), 0, 64, LINEAR);
    assert_eq!(fixture.error(&mut client), ("wl_display".to_owned(), 2));
}

#[test]
fn the_bytes_of_dmabufs_are_limited_and_come_back() {
    let Some(dmabufs) = udmabufs(3) else { return };
    let mut fixture = Fixture::with(|c| {
        c.dmabuf = Some(true);
        c.limits.dmabuf_bytes = 8192;
    });
    let mut client = fixture.connect();
    let global: ZwpLinuxDmabufV1 = client.global(5).unwrap();
    let plane = |client: &Client, dmabuf: &shm_core::dmabuf::DmaBuf| {
        let params = global.create_params(&client.qh, ());
        add(&params, dmabuf.fd(), 0, 64, LINEAR);
        client.flush();
        params
    };
    for _ in 0..3 {
        let held = [plane(&client, &dmabufs[0]), plane(&client, &dmabufs[1])];
        fixture.roundtrip(&mut client);
        assert_eq!(client.error(), None);
        held.iter().for_each(ZwpLinuxBufferParamsV1::destroy);
    }
    for dmabuf in &dmabufs {
        plane(&client, dmabuf);
    }
    assert_eq!(fixture.error(&mut client), ("wl_display".to_owned(), 2));
}

fn main(device: u64) -> String {
    format!("main {device}")
}

fn tranche(device: u64, flags: u32, pairs: &[Pair]) -> String {
    format!("for {device} flags {flags}: {pairs:x?}")
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpLinuxDmabufV1,
        event: dmabuf::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        seen.log.push(match event {
            dmabuf::Event::Format { format } => fourcc_name(format),
            dmabuf::Event::Modifier { format, modifier_hi, modifier_lo } => {
                let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
                format!("{} {modifier:#x}", fourcc_name(format))
            }
            _ => return,
        });
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        _: &ZwpLinuxBufferParamsV1,
        event: params::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        seen.log.push(match event {
            params::Event::Created { .. } => "created".into(),
            params::Event::Failed => "failed".into(),
            _ => return,
        });
    }

    wayland_client::event_created_child!(Seen, ZwpLinuxBufferParamsV1, [
        params::EVT_CREATED_OPCODE => (WlBuffer, ()),
    ]);
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, ()> for Seen {
    fn event(
        seen: &mut Self,
        proxy: &ZwpLinuxDmabufFeedbackV1,
        event: feedback::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let dev = |bytes: Vec<u8>| u64::from_ne_bytes(bytes.try_into().unwrap());
        assert!(proxy.version() >= 4);
        seen.log.push(match event {
            feedback::Event::FormatTable { fd, size } => {
                assert_eq!(rustix::fs::fstat(&fd).unwrap().st_size, i64::from(size));
                let mut bytes = vec![0; size as usize];
                rustix::io::pread(&fd, &mut bytes[..], 0).unwrap();
                let pair = |b: &[u8]| {
                    let number = |b: &[u8]| u64::from_ne_bytes(b.try_into().unwrap());
                    (number(&b[..8]) as u32, number(&b[8..]))
                };
                seen.pairs = bytes.chunks_exact(16).map(pair).collect();
                seen.table = Some(fd);
                "table".into()
            }
            feedback::Event::MainDevice { device } => main(dev(device)),
            feedback::Event::TrancheTargetDevice { device } => {
                seen.device = dev(device);
                return;
            }
            feedback::Event::TrancheFlags { flags: WEnum::Value(flags) } => {
                seen.flags = flags.bits();
                return;
            }
            feedback::Event::TrancheFormats { indices } => {
                let index = |b: &[u8]| usize::from(u16::from_ne_bytes(b.try_into().unwrap()));
                let pairs: Vec<Pair> = indices.chunks_exact(2).map(|b| seen.pairs[index(b)]).collect();
                tranche(seen.device, seen.flags, &pairs)
            }
            feedback::Event::TrancheDone => return,
            feedback::Event::Done => "done".into(),
            other => format!("{other:?}"),
        });
    }
}
