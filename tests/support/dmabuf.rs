//! Dma-bufs for tests: where they come from, and `wl_buffer`s made of them by hand.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::fs::SealFlags;
use selkie_client::{Format, Pattern, Scene, Size, Subsurface};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self as params, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::dma_heap::DmaHeap;
use shm_core::dmabuf::DmaBuf;
use shm_core::udmabuf::Udmabuf;
use wayland_client::Proxy;
use wayland_client::protocol::wl_buffer::WlBuffer;

use super::Image;
use super::raw::{Ended, Raw, memfd};

/// `DRM_FORMAT_MOD_LINEAR`.
pub const LINEAR: u64 = 0;
/// `DRM_FORMAT_MOD_INVALID`.
pub const IMPLICIT: u64 = 0x00ff_ffff_ffff_ffff;

/// `DRM_FORMAT_*`, by its four letters.
pub const fn fourcc(name: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*name)
}

/// A dma-buf of a memfd, at least so large, with this at its beginning.
pub fn udmabuf(bytes: &[u8]) -> DmaBuf {
    let size = (bytes.len() as u64).next_multiple_of(4096);
    let memory = memfd(size, Some(SealFlags::SHRINK));
    let mut done = 0;
    while done < bytes.len() {
        done += rustix::io::pwrite(&memory, &bytes[done..], done as u64).unwrap();
    }
    Udmabuf::open().unwrap().create(&memory, 0, size).unwrap()
}

/// A dma-buf of the system heap, at least so large, with this at its beginning.
pub fn heap(bytes: &[u8]) -> DmaBuf {
    let dmabuf =
        DmaHeap::open("system").unwrap().allocate((bytes.len() as u64).next_multiple_of(4096)).unwrap();
    dmabuf.map_mut().unwrap().write_at(0, bytes).unwrap();
    dmabuf
}

/// A plane to add: fd, offset, stride.
pub type Plane<'a> = (BorrowedFd<'a>, u32, u32);

/// Parameters with these planes, which are all arranged in that way.
pub fn params(
    raw: &mut Raw,
    global: &ZwpLinuxDmabufV1,
    planes: &[Plane<'_>],
    modifier: u64,
) -> ZwpLinuxBufferParamsV1 {
    let object = raw.note(global.create_params(&raw.qh(), ()));
    for (i, (fd, offset, stride)) in planes.iter().enumerate() {
        object.add(*fd, i as u32, *offset, *stride, (modifier >> 32) as u32, modifier as u32);
    }
    object
}

/// `zwp_linux_buffer_params_v1.create`; `None` is `failed`.
pub fn create(
    raw: &mut Raw,
    object: &ZwpLinuxBufferParamsV1,
    (width, height): (i32, i32),
    format: u32,
    flags: params::Flags,
) -> Result<Option<WlBuffer>, Ended> {
    object.create(width, height, format, flags);
    raw.wait_for(object, 1)?;
    let buffer = match raw.of(object).last() {
        Some(params::Event::Created { buffer }) => Some(buffer.clone()),
        Some(params::Event::Failed) => None,
        other => panic!("{other:?}"),
    };
    Ok(buffer.map(|buffer| raw.note(buffer)))
}

/// A buffer that must come to be: one linear plane in one dma-buf.
pub fn buffer(
    raw: &mut Raw,
    global: &ZwpLinuxDmabufV1,
    dmabuf: &DmaBuf,
    (width, height, stride): (i32, i32, u32),
    format: u32,
) -> WlBuffer {
    let object = params(raw, global, &[(dmabuf.fd(), 0, stride)], LINEAR);
    let made = create(raw, &object, (width, height), format, params::Flags::empty()).unwrap();
    object.destroy();
    made.expect("a buffer")
}

/// Whether a proxy's object is the one with that number: for events that name it.
pub fn is(proxy: &impl Proxy, number: u32) -> bool {
    proxy.id().protocol_id() == number
}

/// A dumb buffer of vgem with a fence that nobody but us signals (and the kernel after 10 s). Its ioctls are not safe to call
/// from here, so a program of a few lines makes them.
pub struct Fenced {
    /// The buffer.
    pub dmabuf: DmaBuf,
    helper: Child,
    line: UnixStream,
}

const HELPER: &str = r#"
import fcntl, os, socket, struct, sys
sock = socket.socket(fileno=0)
width, height = int(sys.argv[1]), int(sys.argv[2])
def ioctl(fd, number, size, *values, form):
    code = 3 << 30 | size << 16 | 0x64 << 8 | number
    return struct.unpack(form, fcntl.ioctl(fd, code, struct.pack(form, *values)))
card = None
for name in sorted(os.listdir("/dev/dri")):
    if not name.startswith("card"): continue
    fd = os.open("/dev/dri/" + name, os.O_RDWR | os.O_CLOEXEC)
    link = os.readlink("/sys/class/drm/%s/device" % name)
    if "vgem" in link: card = fd
assert card is not None, "no vgem"
_, _, _, _, handle, pitch, size = ioctl(card, 0xb2, 32, height, width, 32, 0, 0, 0, 0, form="=IIIIIIQ")
_, _, prime = ioctl(card, 0x2d, 12, handle, 2 | os.O_CLOEXEC, 0, form="=IIi")
fence = 0
socket.send_fds(sock, [struct.pack("=I", pitch)], [prime])
while True:
    command = sock.recv(1)
    if command == b"a": # attach a fence that writers have
        _, _, fence, _ = ioctl(card, 0x41, 16, handle, 1, 0, 0, form="=IIII")
    elif command == b"s": # signal it
        code = 1 << 30 | 8 << 16 | 0x64 << 8 | 0x42
        fcntl.ioctl(card, code, struct.pack("=II", fence, 0))
    else: break
    sock.send(b"k")
"#;

impl Fenced {
    /// A buffer of that size in pixels of 4 bytes without a fence yet, and its stride.
    pub fn new(width: u32, height: u32) -> (Self, u32) {
        let (line, theirs) = UnixStream::pair().unwrap();
        let mut helper = Command::new("python3");
        helper.args(["-c", HELPER, &width.to_string(), &height.to_string()]);
        let helper = helper.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        let mut pitch = [0; 4];
        let mut received = shm_core::fdpass::recv(&line, &mut pitch, 1).unwrap();
        let dmabuf = DmaBuf::new(received.fds.remove(0)).unwrap();
        (Self { dmabuf, helper, line }, u32::from_ne_bytes(pitch))
    }

    fn ask(&mut self, what: u8) {
        self.line.write_all(&[what]).unwrap();
        self.line.read_exact(&mut [0]).unwrap();
    }

    /// Adds a fence: a writer that is not done.
    pub fn attach(&mut self) {
        self.ask(b'a');
    }

    /// The writer is done.
    pub fn signal(&mut self) {
        self.ask(b's');
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        let _ = self.helper.kill();
        let _ = self.helper.wait();
    }
}

/// The node of a driver, by its name in sysfs.
pub fn card(driver: &str) -> PathBuf {
    let cards = std::fs::read_dir("/sys/class/drm").unwrap().map(|entry| entry.unwrap());
    let mut nodes = cards.filter(|entry| {
        let device = entry.path().join("device");
        let link = std::fs::read_link(device.join("driver")).or_else(|_| std::fs::read_link(device));
        link.is_ok_and(|link| link.to_string_lossy().contains(driver))
            && entry.file_name().to_string_lossy().starts_with("card")
            && PathBuf::from("/dev/dri").join(entry.file_name()).exists()
    });
    PathBuf::from("/dev/dri").join(nodes.next().unwrap().file_name())
}

/// A picture in which every channel changes from pixel to pixel; another for every `seed`.
pub fn picture(width: usize, height: usize, seed: usize) -> Image {
    Image::from_fn(width, height, |x, y| {
        ((x * 3 + seed) << 16 | (y * 5) << 8 | ((x * 7 + y * 11) % 256)) as u32
    })
}

/// Rows with padding, somewhere in their memory, and two subsurfaces on top.
pub fn layered() -> Scene {
    let sub = |position, format| Subsurface {
        position,
        size: Size::new(60, 50),
        pattern: Pattern::Gradient,
        format,
        alpha: false,
        sync: true,
        below: false,
    };
    let subsurfaces = vec![sub((10, 20), Format::Xrgb8888), sub((100, 70), Format::Rgb565)];
    Scene { stride_padding: 52, offset: 4100, subsurfaces, ..Scene::default() }
}
